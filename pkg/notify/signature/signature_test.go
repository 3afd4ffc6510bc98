package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

const sender = "sluice-canary.sluice-system.svc"

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) trusts(name string) Trust {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return Trust{Authorities: pool, Sender: name}
}

func (a authority) issue(t *testing.T, name string, key crypto.Signer, use x509.ExtKeyUsage) *tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{use},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func keys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	out := map[string]crypto.Signer{}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = key
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	out["RSA"], out["Ed25519"] = rsaKey, edKey
	return out
}

func TestEveryKindOfKeySigns(t *testing.T) {
	ca := newAuthority(t)
	for name, key := range keys(t) {
		header, err := Sign(ca.issue(t, sender, key, x509.ExtKeyUsageClientAuth), Request{"", []byte("body")}, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := ca.trusts(sender).Verify(header, Request{"/", []byte("body")}, now.Add(life)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsNotTrusted(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	key := keys(t)["P-256"]
	client := x509.ExtKeyUsageClientAuth
	sign := func(c *tls.Certificate) string {
		header, err := Sign(c, Request{"/gate/check", []byte("body")}, now)
		if err != nil {
			t.Fatal(err)
		}
		return header
	}
	good := sign(ca.issue(t, sender, key, client))
	head, rest, _ := strings.Cut(good, ".")
	forged := head + ".eyJpYXQiOjE3OTU2MDgwMDAsImJvZHkiOiJ4In0." + rest[strings.Index(rest, ".")+1:]
	for name, c := range map[string]struct {
		header, body string
		at           time.Time
		want         string
	}{
		"no signature":                     {"", "body", now, "it is not signed"},
		"nonsense":                         {"abc", "body", now, "cannot be read"},
		"another body":                     {good, "bodY", now, "that of another request"},
		"another path":                     {good, "at /gate/open", now, "that of another request"},
		"other claims under the signature": {forged, "body", now, "the signature is wrong"},
		"an old one":                       {good, "body", now.Add(life + leeway + time.Second), "6m1s old"},
		"one of the future":                {good, "body", now.Add(-leeway - time.Second), "of the future, by 1m1s"},
		"another authority":                {sign(other.issue(t, sender, key, client)), "body", now, "not one of " + sender},
		"another process of ours":          {sign(ca.issue(t, "sluice-mesh.sluice-system.svc", key, client)), "body", now, "not one of " + sender},
		"a serving certificate":            {sign(ca.issue(t, sender, key, x509.ExtKeyUsageServerAuth)), "body", now, "not one of " + sender},
	} {
		path, ok := strings.CutPrefix(c.body, "at ")
		if ok {
			c.body = "body"
		} else {
			path = "/gate/check"
		}
		err := ca.trusts(sender).Verify(c.header, Request{path, []byte(c.body)}, c.at)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
