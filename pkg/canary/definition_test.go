package canary

import (
	"slices"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestDropped(t *testing.T) {
	fields := []string{"spec.routes[].httpRoute.mirror", "status.rollout"}
	for name, c := range map[string]struct {
		schema string
		want   []string
	}{
		"both are there": {
			schema: "{properties: {spec: {properties: {routes: {items: {properties: {httpRoute: {properties: {mirror: {}}}}}}}}, status: {properties: {rollout: {}}}}}",
		},
		"what is unknown is kept, from somewhere above": {
			schema: "{properties: {spec: {x-kubernetes-preserve-unknown-fields: true}, status: {properties: {phase: {}}, x-kubernetes-preserve-unknown-fields: true}}}",
		},
		"an older definition": {
			schema: "{properties: {spec: {properties: {routes: {items: {properties: {httpRoute: {properties: {match: {}}}}}}}}, status: {properties: {phase: {}}}}}",
			want:   fields,
		},
		"what is unknown is kept elsewhere": {
			schema: "{properties: {spec: {properties: {routes: {items: {properties: {tcpRoute: {x-kubernetes-preserve-unknown-fields: true}}}}}}, status: {x-kubernetes-preserve-unknown-fields: false}}}",
			want:   fields,
		},
		"no schema at all": {schema: "{}", want: fields},
	} {
		t.Run(name, func(t *testing.T) {
			var schema map[string]any
			if err := yaml.Unmarshal([]byte(c.schema), &schema); err != nil {
				t.Fatal(err)
			}
			if got := Dropped(schema, fields); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
