package mesh_test

import (
	"testing"

	"pgregory.net/rapid"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// TestTLSLaws tries snapshots with certificates and policies of all kinds, broken ones too:
//
//   - a listener that is to take TLS only never takes a plain connection, and is never called with one;
//   - a caller that insists on TLS validates whomever it calls.
func TestTLSLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := snapshots(t)
		m, _ := mesh.Build(s)
		for _, v := range s.VirtualNodes {
			n := m.Node(mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: v.Namespace, Name: v.Name})
			if n == nil {
				continue
			}
			for _, l := range v.Spec.Listeners {
				if l.TLS != nil && l.TLS.Mode == appmeshv1beta2.ListenerTLSModeStrict && !repeated(v, l.PortMapping.Port) {
					strictIsStrict(t, m, n, l)
				}
			}
			if d := v.Spec.BackendDefaults; d != nil && insists(d.ClientPolicy) && !ownPolicies(v) {
				everyCallIsValidated(t, m, n)
			}
		}
	})
}

// repeated tells of a port that two listeners have: the first one counts.
func repeated(v *appmeshv1beta2.VirtualNode, port int64) bool {
	n := 0
	for _, l := range v.Spec.Listeners {
		if l.PortMapping.Port == port {
			n++
		}
	}
	return n > 1
}

func strictIsStrict(t *rapid.T, m *mesh.Model, n *mesh.Node, l appmeshv1beta2.Listener) {
	for _, p := range n.Ingress {
		if int64(p.Port) == l.PortMapping.Port && (p.TLS == nil || p.TLS.Mode != mesh.TLSStrict) {
			t.Fatalf("%s takes plain connections on port %d", n.ID, p.Port)
		}
	}
	name := mesh.NodeListener{Mesh: n.Mesh, Node: n.Name, Protocol: mesh.Protocol(l.PortMapping.Protocol), Port: uint32(l.PortMapping.Port)}.EgressCluster()
	c := m.Cluster(name)
	if c == nil || c.Sources[0].Namespace != n.ID.Namespace || c.Sources[0].Name != n.ID.Name {
		return // it cannot be called, or its name is another's
	}
	if c.TLS == nil {
		t.Fatalf("%s is called without TLS", name)
	}
}

func insists(p *appmeshv1beta2.ClientPolicy) bool {
	return p != nil && p.TLS != nil && (p.TLS.Enforce == nil || *p.TLS.Enforce) && len(p.TLS.Ports) == 0
}

func ownPolicies(v *appmeshv1beta2.VirtualNode) bool {
	for _, b := range v.Spec.Backends {
		if b.VirtualService.ClientPolicy != nil {
			return true
		}
	}
	return false
}

func everyCallIsValidated(t *rapid.T, m *mesh.Model, n *mesh.Node) {
	validated := map[string]bool{}
	for _, c := range n.ClientTLS {
		validated[c.Cluster] = c.TLS.Validation != nil
	}
	for _, port := range n.Egress {
		for _, host := range port.Hosts {
			for _, route := range m.Service(host.Service).Port(port.Port).Routes {
				for _, target := range route.Targets {
					if !validated[target.Cluster] {
						t.Fatalf("%s calls %s without validating it", n.ID, target.Cluster)
					}
				}
			}
		}
	}
}

// files are paths and names of secrets, good and bad.
var files = rapid.SampledFrom([]string{"/certs/a", "/certs/b", "/keys/a", "spiffe://a", "a:b", "%3A", "", "a\nb", "\x00"})

func listenerTLS(t *rapid.T) *appmeshv1beta2.ListenerTLS {
	if !rapid.Bool().Draw(t, "tls") {
		return nil
	}
	out := &appmeshv1beta2.ListenerTLS{Mode: rapid.SampledFrom([]appmeshv1beta2.ListenerTLSMode{"STRICT", "STRICT", "PERMISSIVE", "DISABLED", ""}).Draw(t, "mode")}
	out.Certificate.File, out.Certificate.SDS = certificate(t)
	if rapid.Bool().Draw(t, "acm") {
		out.Certificate.ACM = &appmeshv1beta2.ListenerTLSACMCertificate{CertificateARN: "arn"}
	}
	if rapid.Bool().Draw(t, "mutual") {
		v := validation(t)
		out.Validation = &v
	}
	return out
}

func certificate(t *rapid.T) (*appmeshv1beta2.ListenerTLSFileCertificate, *appmeshv1beta2.ListenerTLSSDSCertificate) {
	var file *appmeshv1beta2.ListenerTLSFileCertificate
	if rapid.Bool().Draw(t, "file") {
		file = &appmeshv1beta2.ListenerTLSFileCertificate{CertificateChain: files.Draw(t, "chain"), PrivateKey: files.Draw(t, "key")}
	}
	var sds *appmeshv1beta2.ListenerTLSSDSCertificate
	if rapid.IntRange(0, 3).Draw(t, "sds") == 0 {
		sds = &appmeshv1beta2.ListenerTLSSDSCertificate{SecretName: files.Draw(t, "secret")}
	}
	return file, sds
}

func validation(t *rapid.T) appmeshv1beta2.TLSValidationContext {
	out := appmeshv1beta2.TLSValidationContext{}
	switch rapid.IntRange(0, 4).Draw(t, "trust") {
	case 0:
		out.Trust.ACM = &appmeshv1beta2.TLSValidationContextACMTrust{CertificateAuthorityARNs: []string{"arn"}}
	case 1:
		out.Trust.SDS = &appmeshv1beta2.TLSValidationContextSDSTrust{SecretName: files.Draw(t, "trusted secret")}
	default:
		out.Trust.File = &appmeshv1beta2.TLSValidationContextFileTrust{CertificateChain: files.Draw(t, "authorities")}
	}
	if rapid.Bool().Draw(t, "names") {
		out.SubjectAlternativeNames = &appmeshv1beta2.SubjectAlternativeNames{}
		several(t, "name", func() {
			exact := &out.SubjectAlternativeNames.Match.Exact
			*exact = append(*exact, odd.Draw(t, "subject"))
		})
	}
	return out
}

func clientPolicy(t *rapid.T) *appmeshv1beta2.ClientPolicy {
	if !rapid.Bool().Draw(t, "policy") {
		return nil
	}
	tls := &appmeshv1beta2.ClientPolicyTLS{Enforce: maybe(t, rapid.Bool(), "enforce"), Validation: validation(t)}
	if rapid.Bool().Draw(t, "certificate") {
		tls.Certificate = &appmeshv1beta2.ClientTLSCertificate{}
		tls.Certificate.File, tls.Certificate.SDS = certificate(t)
	}
	if port := maybe(t, ports, "policy port"); port != nil {
		tls.Ports = []int64{*port}
	}
	return &appmeshv1beta2.ClientPolicy{TLS: tls}
}

// TestNamesOfSecretsHoldTheirFiles: two different certificates never have one name, as it can be read back.
func TestNamesOfSecretsHoldTheirFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := mesh.Certificate{Chain: rapid.OneOf(files, rapid.String()).Draw(t, "chain"), Key: rapid.OneOf(files, rapid.String()).Draw(t, "key")}
		if got, _ := mesh.SecretNamed(c.SecretName()); got == nil || *got != c {
			t.Fatalf("%+v is called %q, which means %+v", c, c.SecretName(), got)
		}
		a := mesh.Authorities{File: rapid.OneOf(files, rapid.String()).Draw(t, "authorities")}
		if _, got := mesh.SecretNamed(a.SecretName()); got == nil || *got != a {
			t.Fatalf("%+v is called %q, which means %+v", a, a.SecretName(), got)
		}
	})
}
