package xds

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// TestEnvoyAccepts gives every configuration of the golden files to a real Envoy.
func TestEnvoyAccepts(t *testing.T) {
	envoy := realenvoy.Path(t)
	inputs, err := filepath.Glob(batons.In)
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no input matches %s (%v)", batons.In, err)
	}
	running := make(chan struct{}, 2) // each takes a second of a core
	for _, path := range inputs {
		in, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m := parseModel(t, in)
		for _, id := range m.Proxies() {
			name := strings.TrimSuffix(filepath.Base(path), batons.InSuffix) + "/" + id.String()
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r, err := Translate(m, id)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(t.TempDir(), "envoy.json")
				if err := os.WriteFile(file, rendered(t, bootstrapOf(t, r)), 0o600); err != nil {
					t.Fatal(err)
				}
				running <- struct{}{}
				out, err := exec.Command(envoy, "--mode", "validate", "--log-level", "warning", "-c", file).CombinedOutput()
				<-running
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				for line := range strings.Lines(string(out)) {
					if strings.Contains(strings.ToLower(line), "deprecated") {
						t.Errorf("envoy will stop accepting this: %s", line)
					}
				}
			})
		}
	}
}

// bootstrapOf makes resources a configuration of their own: what comes by ADS is put where it is asked for.
func bootstrapOf(t *testing.T, r *Resources) *bootstrapv3.Bootstrap {
	t.Helper()
	routes := map[string]*routev3.RouteConfiguration{}
	for _, table := range r.Routes {
		routes[table.GetName()] = table
	}
	endpoints := map[string]*endpointv3.ClusterLoadAssignment{}
	for _, e := range r.Endpoints {
		endpoints[e.GetClusterName()] = e
	}
	resources := &bootstrapv3.Bootstrap_StaticResources{}
	for _, l := range r.Listeners {
		resources.Listeners = append(resources.Listeners, staticListener(t, l, routes))
	}
	for _, c := range r.Clusters {
		c = proto.Clone(c).(*clusterv3.Cluster)
		if c.GetEdsClusterConfig().GetEdsConfig().GetAds() != nil {
			c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
			c.EdsClusterConfig = nil
			c.LoadAssignment = endpoints[c.GetName()]
		}
		resources.Clusters = append(resources.Clusters, c)
	}
	return &bootstrapv3.Bootstrap{StaticResources: resources}
}

func rendered(t *testing.T, b *bootstrapv3.Bootstrap) []byte {
	t.Helper()
	text, err := protojson.Marshal(b)
	if err != nil || !json.Valid(text) {
		t.Fatalf("render: %v", err)
	}
	return text
}

func staticListener(t *testing.T, l *listenerv3.Listener, routes map[string]*routev3.RouteConfiguration) *listenerv3.Listener {
	t.Helper()
	l = proto.Clone(l).(*listenerv3.Listener)
	for _, chain := range l.GetFilterChains() {
		for _, filter := range chain.GetFilters() {
			manager := &hcmv3.HttpConnectionManager{}
			if !filter.GetTypedConfig().MessageIs(manager) {
				continue
			}
			if err := filter.GetTypedConfig().UnmarshalTo(manager); err != nil {
				t.Fatal(err)
			}
			manager.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: routes[manager.GetRds().GetRouteConfigName()]}
			if err := filter.GetTypedConfig().MarshalFrom(manager); err != nil {
				t.Fatal(err)
			}
		}
	}
	return l
}
