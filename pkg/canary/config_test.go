package canary

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestConfigHash(t *testing.T) {
	for name, c := range map[string]struct{ object, want string }{
		// Flagger's own: the first eight bytes of the SHA-256 of {"color":"blue","a":"1"} with sorted keys, and of null.
		"a ConfigMap":  {`data: {color: blue, a: "1"}`, "5a639c9e66edd72b"},
		"a Secret":     {`{type: Opaque, data: {key: c2VjcmV0}}`, "4c42fedff46997e9"},
		"an empty one": {`{}`, "74234e98afe7498f"},
		"binary data":  {`{data: {color: blue, a: "1"}, binaryData: {icon: AAEC}}`, "f5c762454cb9e881"},
	} {
		t.Run(name, func(t *testing.T) {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(c.object), &object); err != nil {
				t.Fatal(err)
			}
			if got := ConfigHash(object); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestConfigReferences(t *testing.T) {
	var template map[string]any
	if err := yaml.Unmarshal([]byte(`
spec:
  containers:
  - envFrom: [{configMapRef: {name: a, optional: true}}, {secretRef: {name: b, optional: true}}]
  volumes:
  - configMap: {name: a}
  - projected: {sources: [{secret: {name: c}}, {downwardAPI: {}}]}
  - secret: {}
`), &template); err != nil {
		t.Fatal(err)
	}
	want := []ConfigReference{
		{Kind: "ConfigMap", Name: "a"}, // one reference to it is not optional
		{Kind: "Secret", Name: "b", Optional: true},
		{Kind: "Secret", Name: "c"},
	}
	if diff := cmp.Diff(want, ConfigReferences(template)); diff != "" {
		t.Error(diff)
	}
}

func TestConfigTracked(t *testing.T) {
	for name, c := range map[string]struct {
		annotation, secretType string
		want                   bool
	}{
		"a ConfigMap":           {"", "", true},
		"a Secret":              {"", "Opaque", true},
		"one that opted out":    {"disabled", "Opaque", false},
		"in Flagger's spelling": {"disable", "", false},
		"a token":               {"", "kubernetes.io/service-account-token", false},
		"any other annotation":  {"enabled", "kubernetes.io/tls", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ConfigTracked(map[string]string{AnnotationConfigTracking: c.annotation}, c.secretType); got != c.want {
				t.Error(got)
			}
		})
	}
}
