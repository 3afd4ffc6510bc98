package diagnosis

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/test/golden"
)

// TestDiagnoses shows what people are told of an installation, healthy and not. Certificates are another test's.
func TestDiagnoses(t *testing.T) {
	golden.Run(t, func(t *testing.T, in []byte) []byte {
		var c Cluster
		if err := yaml.UnmarshalStrict(in, &c); err != nil {
			t.Fatal(err)
		}
		if c.Unread == nil {
			c.Unread = map[string]string{}
		}
		c.Unread["certificates"] = "another test looks at them"
		bundle := authority(t, c.Now)
		for i := range c.Mutating {
			for j := range c.Mutating[i].Webhooks {
				if w := &c.Mutating[i].Webhooks[j]; string(w.ClientConfig.CABundle) == "valid" {
					w.ClientConfig.CABundle = bundle.Cert
				}
			}
		}
		for i := range c.Validating {
			for j := range c.Validating[i].Webhooks {
				if w := &c.Validating[i].Webhooks[j]; string(w.ClientConfig.CABundle) == "valid" {
					w.ClientConfig.CABundle = bundle.Cert
				}
			}
		}
		findings := Of(c)
		out, err := yaml.Marshal(map[string]any{"findings": findings, "worst": Worst(findings)})
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
}

func authority(t *testing.T, now time.Time) certs.Pair {
	t.Helper()
	pair, err := certs.NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestCertificates(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ca, other := authority(t, now), authority(t, now)
	secret := func(name string, signer certs.Pair, at time.Time) corev1.Secret {
		leaf, err := certs.Issue(signer, certs.Leaf{Hosts: []string{"a.svc"}, Client: true}, at)
		if err != nil {
			t.Fatal(err)
		}
		return corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string][]byte{"tls.crt": leaf.Cert, "ca.crt": ca.Cert}}
	}
	good := []corev1.Secret{secret(sluice.WebhookTLSSecret, ca, now), secret(sluice.MeshTLSSecret, ca, now), secret(sluice.CanaryTLSSecret, ca, now)}
	end := parse(good[0].Data["tls.crt"])[0].NotAfter
	with := func(s corev1.Secret) []corev1.Secret { return []corev1.Secret{good[0], good[1], s} }
	for name, c := range map[string]struct {
		secrets  []corev1.Secret
		at       time.Time
		severity Severity
		says     string
	}{
		"all is well":                 {good, now, OK, "valid; the first that ends does so at " + end.Format(time.RFC3339)},
		"one is missing":              {good[:2], now, Error, "there is no Secret sluice-canary-tls in namespace sluice-system"},
		"one cannot be read":          {with(corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: sluice.CanaryTLSSecret}}), now, Error, "cannot be read"},
		"they should be new by now":   {good, end.Add(-expiresSoon + time.Hour), Warning, "should have been replaced by now"},
		"they have expired":           {good, end.Add(time.Hour), Error, "expired at"},
		"one is of another authority": {with(secret(sluice.CanaryTLSSecret, other, now)), now, Error, "is not signed by the authority beside it"},
	} {
		got := certificates(Cluster{Now: c.at, Namespace: "sluice-system", Certificates: c.secrets})
		if len(got) == 0 || got[0].Severity != c.severity || !strings.Contains(got[0].Message, c.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if why := bundleProblem(ca.Cert, now.AddDate(100, 0, 0)); why == "" {
		t.Error("an authority that has expired is trusted")
	}
}
