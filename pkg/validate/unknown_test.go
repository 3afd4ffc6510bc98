package validate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

func TestUnknownFields(t *testing.T) {
	const text = ": unknown field: it is kept, but nothing reads it; check its spelling and its place"
	tests := map[string]struct {
		old, raw string
		want     []string
	}{
		"every field is known":       {raw: `{"metadata":{"name":"a","managedFields":[{"fieldsV1":{"f:x":{}}}]},"spec":{"podSelector":{"matchLabels":{"app":"a"}}}}`},
		"a misspelt field":           {raw: `{"spec":{"podSelektor":{}}}`, want: []string{"spec.podSelektor" + text}},
		"inside a list":              {raw: `{"spec":{"listeners":[{"portMapping":{"port":1,"protocol":"http"},"tsl":{}}]}}`, want: []string{"spec.listeners[0].tsl" + text}},
		"it was there before":        {old: `{"spec":{"podSelektor":{}}}`, raw: `{"spec":{"podSelektor":{},"backend":[]}}`, want: []string{"spec.backend" + text}},
		"case matters":               {raw: `{"spec":{"podselector":{}}}`, want: []string{"spec.podselector" + text}},
		"half-written":               {raw: `{"spec":`},
		"not an object of this kind": {raw: `{"spec":{"listeners":"none"}}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := validate.UnknownFields[appmeshv1beta2.VirtualNode]([]byte(tc.old), []byte(tc.raw))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
