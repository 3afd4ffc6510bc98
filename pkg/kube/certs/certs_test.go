package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// day0 is when the tests' clock starts.
var day0 = time.Date(2026, time.October, 1, 12, 0, 0, 0, time.UTC)

func days(n int) time.Time { return day0.Add(time.Duration(n) * 24 * time.Hour) }

var testLeaf = Leaf{
	Secret: sluice.MeshTLSSecret,
	Name:   sluice.MeshService,
	Hosts:  append(ServiceHosts("sluice-mesh", "sluice-system", "cluster.local"), "127.0.0.1"),
	Client: true,
}

func mustAuthority(t *testing.T, now time.Time) Pair {
	t.Helper()
	authority, err := NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func mustIssue(t *testing.T, authority Pair, leaf Leaf, now time.Time) Pair {
	t.Helper()
	pair, err := Issue(authority, leaf, now)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestJudgeLeaf(t *testing.T) {
	authority, other := mustAuthority(t, day0), mustAuthority(t, day0)
	leaf := mustIssue(t, authority, testLeaf, day0)
	both := authority
	both.Bundle = append(append([]byte{}, other.Cert...), authority.Cert...)
	serverOnly := testLeaf
	serverOnly.Client = false
	moreHosts := testLeaf
	moreHosts.Hosts = append([]string{"sluice-mesh.elsewhere"}, testLeaf.Hosts...)

	for name, c := range map[string]struct {
		stored    Pair
		authority Pair
		leaf      Leaf
		now       time.Time
		want      Reason
	}{
		"nothing is stored": {Pair{}, authority, testLeaf, day0, Missing},
		"fresh":             {leaf, authority, testLeaf, day0, Good},
		"a clock a little behind does not matter":    {leaf, authority, testLeaf, day0.Add(-time.Minute), Good},
		"the last day of its first two thirds":       {leaf, authority, testLeaf, days(59), Good},
		"after two thirds of its life":               {leaf, authority, testLeaf, days(60), Expired},
		"long expired":                               {leaf, authority, testLeaf, days(365), Expired},
		"signed by the authority before":             {mustIssue(t, other, testLeaf, day0), both, testLeaf, day0, Superseded},
		"signed by another authority":                {leaf, other, testLeaf, day0, Foreign},
		"a second authority in the bundle is fine":   {leaf, both, testLeaf, day0, Good},
		"the key belongs to another certificate":     {Pair{Cert: leaf.Cert, Key: other.Key}, authority, testLeaf, day0, Unreadable},
		"the certificate was cut":                    {Pair{Cert: leaf.Cert[:100], Key: leaf.Key}, authority, testLeaf, day0, Unreadable},
		"the Service got another name":               {leaf, authority, moreHosts, day0, OtherHosts},
		"a server's leaf where a client is needed":   {mustIssue(t, authority, serverOnly, day0), authority, testLeaf, day0, OtherUse},
		"a client's leaf serves as well":             {leaf, authority, serverOnly, day0, Good},
		"the authority's bundle is unreadable":       {leaf, Pair{Bundle: []byte("x")}, testLeaf, day0, Foreign},
		"the authority itself ended before the leaf": {mustIssue(t, authority, testLeaf, days(3640)), authority, testLeaf, days(3660), Foreign},
	} {
		t.Run(name, func(t *testing.T) {
			got, due := JudgeLeaf(c.stored, c.authority, c.leaf, c.now)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got == Good && !due.After(c.now) {
				t.Errorf("a good leaf is due at %s, which is not after %s", due, c.now)
			}
		})
	}
}

func TestJudgeAuthority(t *testing.T) {
	authority := mustAuthority(t, day0)
	leaf := mustIssue(t, authority, testLeaf, day0)
	for name, c := range map[string]struct {
		stored Pair
		now    time.Time
		want   Reason
	}{
		"nothing is stored":               {Pair{}, day0, Missing},
		"fresh":                           {authority, day0, Good},
		"old, but rotation is for others": {authority, days(3000), Good},
		"expired":                         {authority, days(3651), Expired},
		"a leaf is no authority":          {leaf, day0, NotAuthority},
		"the key is missing":              {Pair{Cert: authority.Cert}, day0, Unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			if got := JudgeAuthority(c.stored, c.now); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestIssuedLeafIsGoodForBothEnds(t *testing.T) {
	authority := mustAuthority(t, day0)
	pair := mustIssue(t, authority, testLeaf, day0)
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots, _ := pool(pair.Bundle)
	for _, host := range []string{"sluice-mesh", "sluice-mesh.sluice-system", "sluice-mesh.sluice-system.svc", "sluice-mesh.sluice-system.svc.cluster.local"} {
		for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			_, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: days(1), KeyUsages: []x509.ExtKeyUsage{use}})
			if err != nil {
				t.Errorf("host %s: %v", host, err)
			}
		}
	}
	if cert.Leaf.IsCA {
		t.Error("a leaf must not be able to sign")
	}
}

func TestPairNeverPrintsItsKey(t *testing.T) {
	authority := mustAuthority(t, day0)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, authority); strings.Contains(got, "PRIVATE") || !strings.Contains(got, "[redacted]") {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

func TestBundleHolds(t *testing.T) {
	one, two := mustAuthority(t, day0), mustAuthority(t, day0)
	both := append(append([]byte{}, one.Cert...), two.Cert...)
	if !holds(both, two.Cert) || !holds(one.Bundle, one.Cert) {
		t.Error("a bundle holds its members")
	}
	if holds(one.Bundle, two.Cert) || holds(nil, one.Cert) || holds(both, []byte("x")) {
		t.Error("a bundle holds nothing else")
	}
}
