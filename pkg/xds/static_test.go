package xds

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// podinfo translates a proxy of what Flagger makes for podinfo: the first of a kind that has routes and endpoints.
func podinfo(t *testing.T, kind mesh.ProxyKind) *Resources {
	t.Helper()
	in, err := os.ReadFile(filepath.Join(filepath.Dir(batons.In), "flagger-podinfo"+batons.InSuffix))
	if err != nil {
		t.Fatal(err)
	}
	m := parseModel(t, in)
	for _, id := range m.Proxies() {
		if r := resourcesOf(t, m, id.String()); id.Kind == kind && len(r.Endpoints) > 0 && len(r.Routes) > 0 {
			return r
		}
	}
	t.Fatalf("there is no %s with routes and endpoints", kind)
	return nil
}

func TestStaticLeavesItsInputAlone(t *testing.T) {
	r := podinfo(t, mesh.ProxyVirtualNode)
	before := versions(r)
	b, err := Static(r)
	if err != nil {
		t.Fatal(err)
	}
	if after := versions(r); after != before {
		t.Errorf("versions %v became %v", before, after)
	}
	text, err := JSON(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, dynamic := range []string{`"ads"`, `"rds"`, `"eds_cluster_config"`} {
		if strings.Contains(string(text), dynamic) {
			t.Errorf("the configuration still asks for something: %s", dynamic)
		}
	}
}

func versions(r *Resources) (out [4]string) {
	for i, t := range []string{resourcev3.ListenerType, resourcev3.RouteType, resourcev3.ClusterType, resourcev3.EndpointType} {
		out[i] = r.Version(t)
	}
	return out
}

func TestStaticTellsWhatIsMissing(t *testing.T) {
	tests := map[string]struct {
		damage func(*Resources)
		want   string
	}{
		"a route table": {func(r *Resources) { r.Routes = nil }, `a listener asks for route table "rds_`},
		"endpoints":     {func(r *Resources) { r.Endpoints = nil }, "asks for endpoints, which are not there"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := podinfo(t, mesh.ProxyVirtualNode)
			tc.damage(r)
			if _, err := Static(r); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}

// TestStaticSecrets: a secret of ADS becomes a name, that of a file stays a file.
func TestStaticSecrets(t *testing.T) {
	file := &corev3.ConfigSource{ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{Path: "/sds.yaml"}}}
	tls := mustPack(&tlsv3.UpstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{Name: "served", SdsConfig: ads()}, {Name: "file", SdsConfig: file}},
	}})
	r := &Resources{Clusters: []*clusterv3.Cluster{{
		Name:            "c",
		TransportSocket: &corev3.TransportSocket{Name: "tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: tls}},
	}}}
	if _, err := Static(r); err == nil || !strings.Contains(err.Error(), `secret "served", which is not there`) {
		t.Errorf("without the secret: error %v", err)
	}
	r.Secrets = []*tlsv3.Secret{{Name: "served"}}
	b, err := Static(r)
	if err != nil {
		t.Fatal(err)
	}
	got := &tlsv3.UpstreamTlsContext{}
	if err := b.GetStaticResources().GetClusters()[0].GetTransportSocket().GetTypedConfig().UnmarshalTo(got); err != nil {
		t.Fatal(err)
	}
	secrets := got.GetCommonTlsContext().GetTlsCertificateSdsSecretConfigs()
	if secrets[0].GetSdsConfig() != nil || secrets[1].GetSdsConfig() == nil {
		t.Errorf("secrets %v, want the first without a source and the second with its file", secrets)
	}
}

// TestStaticRuns: Envoy comes up with the text, admin interface included, and knows the clusters.
func TestStaticRuns(t *testing.T) {
	r := podinfo(t, mesh.ProxyVirtualGateway)
	relocate(t, r.Listeners, r.Listeners[0].GetAddress().GetSocketAddress().GetPortValue(), realenvoy.FreePort(t))
	b, err := Static(r)
	if err != nil {
		t.Fatal(err)
	}
	admin := b.GetAdmin().GetAddress().GetSocketAddress()
	if admin.GetAddress() != "127.0.0.1" {
		t.Fatalf("the admin interface is on %s, where others could reach it", admin.GetAddress())
	}
	// The machine may have a proxy of its own.
	admin.PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: realenvoy.FreePort(t)}
	text, err := JSON(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(text, &bootstrapv3.Bootstrap{}); err != nil {
		t.Fatalf("the text is not a bootstrap: %v", err)
	}
	path := filepath.Join(t.TempDir(), "envoy.json")
	must(t, os.WriteFile(path, text, 0o600))
	realenvoy.Start(t, "-c", path, "--log-level", "warning", "--use-dynamic-base-id", "--concurrency", "1")
	p := proxy{config: BootstrapConfig{StatsPort: admin.GetPortValue()}}
	realenvoy.Eventually(t, "envoy is live", func() bool {
		status, err := p.ready()
		return err == nil && status == 200
	})
}
