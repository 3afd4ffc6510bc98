package xds

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typesv3 "github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/encoding/protojson"
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
			checkResources(t, r)
			printed[id.String()] = map[string]any{
				"listeners": printAll(t, r.Listeners), "routes": printAll(t, r.Routes),
				"clusters": printAll(t, r.Clusters), "endpoints": printAll(t, r.Endpoints),
			}
		}
		text, err := yaml.Marshal(printed)
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
}

// checkResources holds what is true of the resources of any proxy: they refer to nothing that is not there, Envoy's own
// constraints on fields hold, and names and domains that must be unique are.
func checkResources(t testFailer, r *Resources) {
	t.Helper()
	snapshot, err := cachev3.NewSnapshot("1", map[resource.Type][]typesv3.Resource{
		resource.ListenerType: list(r.Listeners), resource.RouteType: list(r.Routes),
		resource.ClusterType: list(r.Clusters), resource.EndpointType: list(r.Endpoints),
	})
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	if err := snapshot.Consistent(); err != nil {
		t.Fatalf("%v", err)
	}
	for _, m := range all(r) {
		if v, ok := m.(interface{ ValidateAll() error }); !ok || v.ValidateAll() != nil {
			t.Fatalf("%v in\n%v", v.ValidateAll(), m)
		}
	}
	known := map[string]bool{}
	for _, c := range r.Clusters {
		if known[c.GetName()] {
			t.Fatalf("cluster %q is there twice", c.GetName())
		}
		known[c.GetName()] = true
	}
	for _, table := range r.Routes {
		domains, names := map[string]bool{}, map[string]bool{}
		for _, vhost := range table.GetVirtualHosts() {
			if names[vhost.GetName()] {
				t.Fatalf("%s: virtual host %q is there twice", table.GetName(), vhost.GetName())
			}
			names[vhost.GetName()] = true
			for _, d := range vhost.GetDomains() {
				if domains[d] {
					t.Fatalf("%s: domain %q is there twice", table.GetName(), d)
				}
				domains[d] = true
			}
			for _, route := range vhost.GetRoutes() {
				for _, name := range clustersOf(route.GetRoute()) {
					if !known[name] {
						t.Fatalf("%s: route %q leads to cluster %q, which is not there", table.GetName(), route.GetName(), name)
					}
				}
			}
		}
	}
}

type testFailer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func clustersOf(action *routev3.RouteAction) []string {
	var names []string
	if name := action.GetCluster(); name != "" {
		names = append(names, name)
	}
	for _, c := range action.GetWeightedClusters().GetClusters() {
		names = append(names, c.GetName())
	}
	return names
}

func all(r *Resources) []proto.Message {
	var out []proto.Message
	for _, part := range [][]typesv3.Resource{list(r.Listeners), list(r.Routes), list(r.Clusters), list(r.Endpoints)} {
		for _, m := range part {
			out = append(out, m)
		}
	}
	return out
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

// printOne goes through JSON, because the text of protojson is unstable on purpose.
func printOne(t *testing.T, m proto.Message) any {
	t.Helper()
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(fmt.Errorf("%T: %w", m, err))
	}
	return v
}
