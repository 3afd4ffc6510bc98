package xds

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	typesv3 "github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/golden"
)

// batons are the outputs of pkg/mesh: what that gives is what we take.
var batons = golden.Files{
	In:       filepath.Join("..", "mesh", "testdata", "*.out.yaml"),
	InSuffix: ".out.yaml",
	Out:      "testdata",
}

func parseModel(t *testing.T, in []byte) *mesh.Model {
	t.Helper()
	var baton struct {
		Model *mesh.Model `json:"model"`
		// The rest of the file is for readers of pkg/mesh.
		Problems   any `json:"problems"`
		Conditions any `json:"conditions"`
	}
	if err := yaml.UnmarshalStrict(in, &baton); err != nil {
		t.Fatal(err)
	}
	return baton.Model
}

func TestTranslate(t *testing.T) {
	golden.RunFiles(t, batons, func(t *testing.T, in []byte) []byte {
		m := parseModel(t, in)
		printed := map[string]any{}
		for _, id := range m.Proxies() {
			r, err := Translate(m, id)
			if err != nil {
				t.Fatal(err)
			}
			checkConsistent(t, r)
			printed[id.String()] = map[string]any{
				"listeners": printAll(t, r.Listeners), "routes": printAll(t, r.Routes),
				"clusters": printAll(t, r.Clusters), "endpoints": printAll(t, r.Endpoints),
			}
			if len(r.Secrets) > 0 {
				printed[id.String()].(map[string]any)["secrets"] = printAll(t, r.Secrets)
			}
		}
		text, err := yaml.Marshal(printed)
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
}

// checkConsistent asks go-control-plane whether every name that is referred to is there, and nothing else.
func checkConsistent(t *testing.T, r *Resources) {
	t.Helper()
	snapshot, err := cachev3.NewSnapshot("1", map[resource.Type][]typesv3.Resource{
		resource.ListenerType: list(r.Listeners), resource.RouteType: list(r.Routes),
		resource.ClusterType: list(r.Clusters), resource.EndpointType: list(r.Endpoints),
	})
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	if err := snapshot.Consistent(); err != nil {
		t.Fatal(err)
	}
}

func list[M typesv3.Resource](messages []M) []typesv3.Resource {
	out := make([]typesv3.Resource, len(messages))
	for i, m := range messages {
		out[i] = m
	}
	return out
}

func printAll[M proto.Message](t *testing.T, messages []M) []any {
	t.Helper()
	out := []any{}
	for _, m := range messages {
		out = append(out, printOne(t, m))
	}
	return out
}

func printOne(t *testing.T, m proto.Message) any {
	t.Helper()
	text, err := JSON(m)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(fmt.Errorf("%T: %w", m, err))
	}
	return v
}
