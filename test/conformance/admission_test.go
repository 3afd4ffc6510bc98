package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// server does to an object what the API server does between decoding and storing, with the API server's own code.
type server struct {
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
}

func newServer(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) server {
	t.Helper()
	crd = crd.DeepCopy()
	apiextensionsv1.SetDefaults_CustomResourceDefinition(crd)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, internal, nil); err != nil {
		t.Fatal(err)
	}
	internal.Status.StoredVersions = []string{crd.Spec.Versions[0].Name}
	for _, err := range crdvalidation.ValidateCustomResourceDefinition(context.Background(), internal) {
		t.Errorf("the API server refuses the CRD: %v", err)
	}
	schema, err := apiextensions.GetSchemaForVersion(internal, crd.Spec.Versions[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	structural, err := structuralschema.NewStructural(schema.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	validator, _, err := validation.NewSchemaValidator(schema.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	return server{structural, validator}
}

// store returns the object as it is stored, or why it is refused.
func (s server) store(object map[string]any) (map[string]any, field.ErrorList) {
	stored := clone(object)
	pruning.Prune(stored, s.structural, true)
	defaulting.Default(stored, s.structural)
	return stored, validation.ValidateCustomResource(nil, stored, s.validator)
}

// clone copies an object by way of JSON as the API server reads it: whole numbers are int64 there, which schemas
// tell from fractions.
func clone(object map[string]any) map[string]any {
	data, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	out := map[string]any{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &out); err != nil {
		panic(err)
	}
	return out
}

func TestSamplesAreStoredWhole(t *testing.T) {
	crds := generated(t)
	for _, kind := range originals(t) {
		t.Run(kind.Name, func(t *testing.T) {
			api := newServer(t, crds[kind.Name])
			for name, sample := range map[string]map[string]any{
				"every field":              Sample(kind),
				"every field and a stray":  sprinkle(Sample(kind)).(map[string]any),
				"the least":                Sample(required(kind)),
				"the least and some stray": sprinkle(Sample(required(kind))).(map[string]any),
			} {
				stored, errs := api.store(sample)
				for _, err := range errs {
					t.Errorf("%s: %v", name, err)
				}
				if diff := cmp.Diff(clone(sample), stored); diff != "" {
					t.Errorf("%s: -sent +stored:\n%s", name, diff)
				}
			}
		})
	}
}

// sprinkle adds an unknown field to every object but maps, whose keys are all alike, and metadata.
func sprinkle(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			out[key] = item
			if key != "metadata" {
				out[key] = sprinkle(item)
			}
		}
		if _, isMap := v["key"]; !isMap || len(v) > 1 {
			out["strayField"] = map[string]any{"in": []any{map[string]any{"any": "form"}}}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = sprinkle(item)
		}
		return out
	}
	return value
}

// TestTheCRDLeavesItToTheRulebook stores what Flagger's CRD refuses, because the rulebook explains what is wrong.
func TestTheCRDLeavesItToTheRulebook(t *testing.T) {
	crds := generated(t)
	for name, c := range map[string]struct{ kind, spec, refused string }{
		"a mesh provider of Flagger's that we lack": {"Canary", "provider: linkerd", ""},
		"a mesh provider of nobody":                 {"Canary", "provider: aws", ""},
		"a target that Flagger does not release":    {"Canary", "targetRef: {apiVersion: apps/v1, kind: StatefulSet, name: web}", ""},
		"iterations and weights":                    {"Canary", "analysis: {interval: 1m, threshold: 1, iterations: 5, stepWeight: 5}", ""},
		"neither iterations nor weights":            {"Canary", "analysis: {}", ""},
		"an interval in hours":                      {"Canary", "analysis: {interval: 1h}", ""},
		"a fraction":                                {"Canary", "analysis: {threshold: 2.5}", ""},
		"an alert provider without an address":      {"AlertProvider", "type: slack", ""},
		"a port by name":                            {"Canary", "service: {port: 80, targetPort: http}", ""},
		"a port by number":                          {"Canary", "service: {port: 80, targetPort: 8080}", ""},
		"no target":                                 {"Canary", "targetRef: null", "spec.targetRef: Invalid value: \"null\""},
		"text for a number":                         {"Canary", "analysis: {threshold: many}", "spec.analysis.threshold: Invalid value: \"string\""},
		"a weight beyond 100": {"VirtualRouter",
			"routes: [{name: r, tcpRoute: {action: {weightedTargets: [{weight: 101}]}}}]",
			"spec.routes[0].tcpRoute.action.weightedTargets[0].weight: Invalid value: 101"},
		"a router without listeners":  {"VirtualRouter", "listeners: []", "spec.listeners: Invalid value: 0"},
		"a gateway without listeners": {"VirtualGateway", "listeners: []", ""},
	} {
		t.Run(name, func(t *testing.T) {
			spec := map[string]any{}
			if c.kind == "Canary" {
				spec["targetRef"] = map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
				spec["analysis"] = map[string]any{}
			}
			changed := map[string]any{}
			if err := yaml.Unmarshal([]byte(c.spec), &changed); err != nil {
				t.Fatal(err)
			}
			maps.Copy(spec, changed)
			_, errs := newServer(t, crds[c.kind]).store(map[string]any{
				"apiVersion": "x/v1", "kind": c.kind, "metadata": map[string]any{"name": "x"}, "spec": spec,
			})
			if got := fmt.Sprint(errs.ToAggregate()); c.refused == "" && len(errs) > 0 || !strings.Contains(got, c.refused) {
				t.Errorf("got %s, expected %q", got, c.refused)
			}
		})
	}
}
