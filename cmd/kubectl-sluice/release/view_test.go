package release

import (
	"encoding/json"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/test/golden"
)

// scene is an input: what the cluster has, and when somebody looks.
type scene struct {
	Now     time.Time            `json:"now"`
	Canary  canaryv1beta1.Canary `json:"canary"`
	Target  map[string]any       `json:"target"`
	Primary map[string]any       `json:"primary"`
	Scaler  map[string]any       `json:"scaler"`
	Copy    map[string]any       `json:"primaryScaler"`
	Router  map[string]any       `json:"router"`
	Events  []corev1.Event       `json:"events"`
}

// TestViews shows what people, scripts and pipes are told of a release.
func TestViews(t *testing.T) {
	golden.Run(t, func(t *testing.T, in []byte) []byte {
		var s scene
		if err := yaml.UnmarshalStrict(in, &s); err != nil {
			t.Fatal(err)
		}
		view := Of(Objects{
			Canary: &s.Canary, Target: object(s.Target), Primary: object(s.Primary),
			Scaler: object(s.Scaler), PrimaryScaler: object(s.Copy), Router: object(s.Router), Events: s.Events, Whole: true,
		})
		data, err := json.Marshal(view)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		out, err := yaml.Marshal(map[string]any{
			"tree": view.Tree(Style{Now: s.Now}),
			"wide": view.Tree(Style{Now: s.Now, Wide: true}),
			"pipe": view.Flat(Style{}),
			"row":  view.Row(Style{Now: s.Now}, true),
			"data": fields,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
}

func object(fields map[string]any) *unstructured.Unstructured {
	if fields == nil {
		return nil
	}
	return &unstructured.Unstructured{Object: fields}
}
