package envoy

import (
	"bytes"
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// TestDumpIsWhatWasSent: an Envoy's own page, read back, says what it was sent, so that the two can be compared.
func TestDumpIsWhatWasSent(t *testing.T) {
	for _, name := range []string{"flagger-podinfo", "health-checks", "matches", "tls-policies"} {
		t.Run(name, func(t *testing.T) {
			certs := t.TempDir()
			sent := caseOf(t, name, certs)
			p := newControlPlane(t, nil)
			if err := p.Publish(&mesh.Model{}, map[mesh.ProxyID]*xds.Resources{web: sent}); err != nil {
				t.Fatal(err)
			}
			s := newSidecar(t, p, delta, webPod.Name+"."+webPod.Namespace, "good")
			p.acked(t, "listeners", "")
			until(t, "live", s.ready)
			until(t, "all secrets are loaded", func() bool { return p.counter(t, "sluice_mesh_acks_total", "secrets") == float64(len(sent.Secrets)) })
			code, page := s.get(xds.DumpPath)
			if code != http.StatusOK {
				t.Fatalf("status %d: %s", code, page)
			}
			has, err := xds.FromDump([]byte(page))
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(texts(t, sent), texts(t, has)); diff != "" {
				t.Errorf("-sent +has:\n%s", diff)
			}
		})
	}
}

// caseOf gives the first proxy of a case of pkg/mesh that has routes and endpoints, on ports that are free, with its
// certificates in a folder instead of /certs.
func caseOf(t *testing.T, name, certs string) *xds.Resources {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "mesh", "testdata", name+".out.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var outcome struct {
		Model *mesh.Model `json:"model"`
	}
	text = bytes.ReplaceAll(text, []byte("/certs/"), []byte(certs+"/"))
	if err := yaml.Unmarshal(text, &outcome); err != nil {
		t.Fatal(err)
	}
	for _, id := range outcome.Model.Proxies() {
		r, err := xds.Translate(outcome.Model, id)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Routes) == 0 || len(r.Endpoints) == 0 {
			continue
		}
		for _, l := range r.Listeners {
			l.GetAddress().GetSocketAddress().PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: uint32(freePort(t))}
		}
		for _, secret := range r.Secrets {
			dir := cmp.Or(secret.GetTlsCertificate().GetWatchedDirectory().GetPath(), secret.GetValidationContext().GetWatchedDirectory().GetPath())
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			writeCertificates(t, dir)
		}
		return r
	}
	t.Fatalf("%s has no proxy with routes and endpoints", name)
	return nil
}

// texts prints every resource by its type and name.
func texts(t *testing.T, r *xds.Resources) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, typeURL := range servedTypes {
		for name, m := range messages(r, typeURL) {
			text, err := xds.JSON(m)
			if err != nil {
				t.Fatal(err)
			}
			out[typeURL[strings.LastIndex(typeURL, ".")+1:]+" "+name] = string(text)
		}
	}
	return out
}
