package conformance

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	publicappmesh "github.com/aws/aws-app-mesh-controller-for-k8s/apis/appmesh/v1beta2"
	publicflagger "github.com/fluxcd/flagger/pkg/apis/flagger/v1beta1"
	"github.com/google/go-cmp/cmp"
)

// public maps each kind to the type of the module that others compile against. App Mesh's stops at v1.1.1 of 2020:
// what came later is known from the table only.
var public = map[string]func() any{
	"Mesh":           func() any { return &publicappmesh.Mesh{} },
	"VirtualNode":    func() any { return &publicappmesh.VirtualNode{} },
	"VirtualService": func() any { return &publicappmesh.VirtualService{} },
	"VirtualRouter":  func() any { return &publicappmesh.VirtualRouter{} },
	"VirtualGateway": func() any { return &publicappmesh.VirtualGateway{} },
	"GatewayRoute":   func() any { return &publicappmesh.GatewayRoute{} },
	"BackendGroup":   nil, // came after v1.1.1
	"Canary":         func() any { return &publicflagger.Canary{} },
	"MetricTemplate": func() any { return &publicflagger.MetricTemplate{} },
	"AlertProvider":  func() any { return &publicflagger.AlertProvider{} },
}

// TestPublicTypesReadWhatWeWrite sends a full sample through our type, the public one and ours again. What the public
// type knows has to arrive there and come back unchanged.
func TestPublicTypesReadWhatWeWrite(t *testing.T) {
	for _, kind := range originals(t) {
		t.Run(kind.Name, func(t *testing.T) {
			newPublic, ok := public[kind.Name]
			if !ok {
				t.Fatal("no public type is named")
			}
			if newPublic == nil {
				t.Skip("the public module does not have this kind")
			}
			ours := through(t, Sample(kind), newOurs(t, kind))
			theirs := through(t, ours, newPublic())
			delete(theirs["metadata"].(map[string]any), "creationTimestamp")
			if status, ok := theirs["status"].(map[string]any); ok && len(status) == 0 {
				delete(theirs, "status")
			}

			want := known(reflect.TypeOf(newPublic()).Elem(), ours)
			if diff := cmp.Diff(want, any(theirs)); diff != "" {
				t.Errorf("-ours +theirs:\n%s", diff)
			}
			if diff := cmp.Diff(theirs, through(t, theirs, newOurs(t, kind))); diff != "" {
				t.Errorf("-theirs +ours:\n%s", diff)
			}
			least := through(t, Sample(required(kind)), newOurs(t, kind))
			if err := decode(least, newPublic()); err != nil {
				t.Errorf("the least object: %v", err)
			}
		})
	}
}

// TestPublicTypesFailOnFractions shows why the numbers of Flagger's CRD have a type of their own.
func TestPublicTypesFailOnFractions(t *testing.T) {
	canary := map[string]any{"spec": map[string]any{"analysis": map[string]any{"threshold": 2.5}}}
	if err := decode(canary, &publicflagger.Canary{}); err == nil {
		t.Error("Flagger's types read fractions now; Number may be an integer")
	}
	for _, kind := range originals(t) {
		if kind.Name != "Canary" {
			continue
		}
		if err := decode(canary, newOurs(t, kind)); err != nil {
			t.Error(err)
		}
	}
}

func decode(object map[string]any, into any) error {
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// known is the part of a value that a type has fields for.
func known(typ reflect.Type, value any) any {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			switch typ.Kind() {
			case reflect.Struct:
				if field, ok := fields(typ)[key]; ok {
					out[key] = known(field, item)
				}
			case reflect.Map:
				out[key] = known(typ.Elem(), item)
			default:
				out[key] = item
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = known(typ.Elem(), item)
		}
		return out
	}
	return value
}

// fields maps the JSON names of a struct's fields, embedded ones included, to their types.
func fields(typ reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case name != "":
			out[name] = field.Type
		case field.Anonymous || strings.Contains(options, "inline"):
			maps.Copy(out, fields(field.Type))
		}
	}
	return out
}

// TestPublicKindsAreTheTables holds that no kind is left out above.
func TestPublicKindsAreTheTables(t *testing.T) {
	var names []string
	for _, kind := range originals(t) {
		names = append(names, kind.Name)
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(public))); diff != "" {
		t.Errorf("-tables +public:\n%s", diff)
	}
}
