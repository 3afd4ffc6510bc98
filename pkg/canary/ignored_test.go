package canary

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// ignoredFields gives every field that nothing follows from a value, and what is said of it.
var ignoredFields = map[string]struct{ spec, said string }{
	"ingressRef":                {"{ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: a}}", "ingressRef"},
	"routeRef":                  {"{routeRef: {apiVersion: apisix.apache.org/v2, kind: ApisixRoute, name: a}}", "routeRef"},
	"upstreamRef":               {"{upstreamRef: {apiVersion: gloo.solo.io/v1, kind: Upstream, name: a}}", "upstreamRef"},
	"service.backendTimeout":    {"{service: {backendTimeout: 5s}}", "service.backendTimeout"},
	"service.meshName":          {"{service: {meshName: global}}", "service.meshName (the namespaceSelector of a Mesh decides)"},
	"service.delegation":        {"{service: {delegation: true}}", "service.delegation"},
	"service.rewrite":           {"{service: {rewrite: {uri: /v2}}}", "service.rewrite"},
	"service.mirror":            {"{service: {mirror: [{backendRef: {name: a}}]}}", "service.mirror (analysis.mirror copies requests to the canary)"},
	"service.headers":           {"{service: {headers: {request: {add: {x: y}}}}}", "service.headers"},
	"service.gateways":          {"{service: {gateways: [mesh]}}", "service.gateways (service.hosts exposes the service on a VirtualGateway)"},
	"service.gatewayRefs":       {"{service: {gatewayRefs: [{name: a}]}}", "service.gatewayRefs (service.hosts exposes the service on a VirtualGateway)"},
	"service.corsPolicy":        {"{service: {corsPolicy: {allowCredentials: true}}}", "service.corsPolicy"},
	"service.trafficPolicy":     {"{service: {trafficPolicy: {tls: {mode: DISABLE}}}}", "service.trafficPolicy"},
	"service.match":             {"{service: {match: [{uri: {prefix: /a}}, {uri: {prefix: /b}}]}}", "service.match[1] (only the prefix of the first is the route's)"},
	"service.match[].authority": {"{service: {match: [{uri: {prefix: /a}, authority: {exact: a}}]}}", "service.match[0] (only the prefix of the first is the route's)"},
	"service.match[].uri.exact": {"{service: {match: [{uri: {exact: /a}}]}}", "service.match[0] (only the prefix of the first is the route's)"},

	"without a mesh, analysis.stepWeightPromotion": {"{provider: kubernetes, analysis: {stepWeightPromotion: 10}}", "analysis.stepWeightPromotion (the provider kubernetes has no routes)"},
	"without a mesh, service.timeout":              {"{provider: kubernetes, service: {timeout: 5s}}", "service.timeout (the provider kubernetes has no routes)"},
	"without a mesh, service.retries":              {"{provider: kubernetes, service: {retries: {attempts: 3}}}", "service.retries (the provider kubernetes has no routes)"},
	"without a mesh, service.hosts":                {"{provider: kubernetes, service: {hosts: [a]}}", "service.hosts (the provider kubernetes has no routes)"},
	"without a mesh, service.backends":             {"{provider: kubernetes, service: {backends: [a]}}", "service.backends (the provider kubernetes has no routes)"},
}

// TestWhatIsIgnoredIsSaid reads the condition of a Canary with one field that nothing follows from.
func TestWhatIsIgnoredIsSaid(t *testing.T) {
	for field, c := range ignoredFields {
		t.Run(field, func(t *testing.T) {
			if diff := cmp.Diff([]string{c.said}, said(t, c.spec)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for sentence, spec := range map[string]string{
		"the rewrite of the examples": "{service: {rewrite: {uri: /}}}",
		"a prefix, and a name":        "{service: {match: [{name: a, uri: {prefix: /a}}]}}",
	} {
		if got := said(t, spec); len(got) > 0 {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}

// said is what a Canary of this spec says about its fields.
func said(t *testing.T, spec string) []string {
	t.Helper()
	c := &canaryv1beta1.Canary{}
	if err := yaml.UnmarshalStrict([]byte(spec), &c.Spec); err != nil {
		t.Fatal(err)
	}
	return settings{c}.ignored()
}

// honoured says of every other field where it is shown to work: a file of testdata, or a test that mentions it by name.
var honoured = map[string]string{
	"provider":                       "testdata/kubernetes.txtar",
	"metricsServer":                  "../kube/canary/providers_test.go",
	"targetRef":                      "testdata/build/service_target.in.yaml",
	"autoscalerRef":                  "testdata/build/scaler_bounds.in.yaml",
	"progressDeadlineSeconds":        "testdata/shared.txt",
	"skipAnalysis":                   "testdata/skip.txtar",
	"suspend":                        "testdata/suspend.txtar",
	"service.name":                   "testdata/build/label_value.in.yaml",
	"service.port":                   "testdata/build/label_value.in.yaml",
	"service.portName":               "testdata/build/label_value.in.yaml",
	"service.targetPort":             "testdata/build/label_value.in.yaml",
	"service.appProtocol":            "testdata/build/label_value.in.yaml",
	"service.trafficDistribution":    "testdata/build/label_value.in.yaml",
	"service.portDiscovery":          "testdata/build/label_value.in.yaml",
	"service.headless":               "testdata/build/label_value.in.yaml",
	"service.timeout":                "testdata/build/label_value.in.yaml",
	"service.match":                  "testdata/build/label_value.in.yaml",
	"service.retries":                "testdata/build/label_value.in.yaml",
	"service.apex":                   "testdata/build/label_value.in.yaml",
	"service.primary":                "testdata/build/label_value.in.yaml",
	"service.canary":                 "testdata/build/label_value.in.yaml",
	"service.hosts":                  "testdata/build/demo.in.yaml",
	"service.backends":               "../kube/canary/rollout_test.go",
	"service.unmanagedMetadata":      "../kube/canary/difference_test.go",
	"analysis.interval":              "testdata/short_interval.txtar",
	"analysis.iterations":            "testdata/blue_green.txtar",
	"analysis.threshold":             "testdata/rollback.txtar",
	"analysis.maxWeight":             "testdata/promotion_steps.txtar",
	"analysis.stepWeight":            "preview_test.go",
	"analysis.stepWeights":           "testdata/stepweights.txtar",
	"analysis.stepWeightPromotion":   "testdata/promotion_steps.txtar",
	"analysis.mirror":                "testdata/mirror.txtar",
	"analysis.mirrorWeight":          "testdata/mirror.txtar",
	"analysis.primaryReadyThreshold": "testdata/ready_thresholds.txtar",
	"analysis.canaryReadyThreshold":  "testdata/ready_thresholds.txtar",
	"analysis.match":                 "testdata/build/ab_testing.in.yaml",
	"analysis.metrics":               "metric_test.go",
	"analysis.webhooks":              "testdata/hooks.txtar",
	"analysis.alerts":                "../kube/canary/alerts_test.go",
	"analysis.sessionAffinity":       "testdata/build/affinity.in.yaml",
	"analysis.gate":                  "testdata/nodata_hold.txtar",
}

// TestEveryFieldOfTheSpecIsHonouredOrSaid fails on a field of the API until somebody decides what becomes of it.
func TestEveryFieldOfTheSpecIsHonouredOrSaid(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "flagger.app_canaries.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	type schema struct{ Properties map[string]*schema }
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema schema }
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	var fields []string
	for name, field := range spec.Properties {
		if name != "service" && name != "analysis" {
			fields = append(fields, name)
			continue
		}
		for inner := range field.Properties {
			fields = append(fields, name+"."+inner)
		}
	}
	for _, field := range fields {
		_, silent := ignoredFields[field]
		if honoured[field] == "" && !silent && !mentioned(t, field) {
			t.Errorf("%s: nobody decided what becomes of it; honour it, or say that it is ignored", field)
		}
	}
	for field, where := range honoured {
		shown, err := os.ReadFile(where)
		if err != nil {
			t.Errorf("%s: %v", field, err)
		}
		last := field[strings.LastIndex(field, ".")+1:]
		if !slices.Contains(fields, field) || !strings.Contains(strings.ToLower(string(shown)), strings.ToLower(last)) {
			t.Errorf("%s is not a field, or %s does not show it", field, where)
		}
	}
}

// mentioned tells whether a film sets a field, or the list of what is not honoured yet names it.
func mentioned(t *testing.T, field string) bool {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "unsupported.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		last := field[strings.LastIndex(field, ".")+1:]
		if strings.Contains(string(text), last+": ") || strings.Contains(string(text), last+":\n") || strings.Contains(string(text), `"`+field+`"`) {
			return true
		}
	}
	return false
}
