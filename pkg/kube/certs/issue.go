package certs

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	// authorityLife is long because nothing outside the cluster trusts it, and it is rotated in time.
	authorityLife = 10 * 365 * 24 * time.Hour
	// leafLife is short enough that re-issuing is exercised four times a year.
	leafLife = 90 * 24 * time.Hour
	// skew is how far the clocks of two nodes may differ before a fresh certificate looks as if it came from the future.
	skew = 10 * time.Minute
)

// start is when a certificate made now becomes good. A short life must not be over before it began.
func start(now time.Time, life time.Duration) time.Time { return now.Add(-min(skew, life/10)) }

// Leaf says what one process proves with its certificate.
type Leaf struct {
	// Secret is where the leaf is kept.
	Secret string
	// Name is the common name, for people who read certificates; nothing verifies it.
	Name string
	// Hosts are the DNS names and IP addresses that the leaf is good for.
	Hosts []string
	// Client lets the leaf identify a client as well as a server: mesh and canary meet each other with it.
	Client bool
	// Life is how long it is good; zero means 90 days. It is renewed after two thirds of it.
	Life time.Duration
}

// ServiceHosts lists the names under which pods and the API server reach a Service.
func ServiceHosts(service, namespace, clusterDomain string) []string {
	short := service + "." + namespace
	return []string{service, short, short + ".svc", short + ".svc." + clusterDomain}
}

// Pair is a certificate with its key, both PEM, and the bundle that it was published with.
// It prints without the key whoever prints it.
type Pair struct {
	Cert   []byte
	Key    []byte
	Bundle []byte
}

// String names the pair without giving the key away.
func (p Pair) String() string {
	return fmt.Sprintf("certificate of %d bytes, key [redacted]", len(p.Cert))
}

// GoString is String, so that %#v does not print the key either.
func (p Pair) GoString() string { return p.String() }

// NewAuthority makes a self-signed authority whose bundle holds just itself.
func NewAuthority(now time.Time) (Pair, error) { return newAuthority(now, authorityLife) }

func newAuthority(now time.Time, life time.Duration) (Pair, error) {
	template := &x509.Certificate{
		// The serial number tells two authorities of a rotation apart, for people and for whoever looks one up by name.
		Subject:               pkix.Name{CommonName: "Sluice authority", Organization: []string{"Sluice"}, SerialNumber: now.UTC().Format(time.RFC3339Nano)},
		NotBefore:             start(now, life),
		NotAfter:              now.Add(life),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true, // it signs leaves only
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	pair, err := sign(template, nil)
	if err != nil {
		return Pair{}, fmt.Errorf("make an authority: %w", err)
	}
	pair.Bundle = pair.Cert
	return pair, nil
}

// Issue signs a leaf with the authority and publishes it with the authority's whole bundle.
func Issue(authority Pair, leaf Leaf, now time.Time) (Pair, error) {
	signer, err := tls.X509KeyPair(authority.Cert, authority.Key)
	if err != nil {
		return Pair{}, fmt.Errorf("issue %s: read the authority: %w", leaf.Secret, err)
	}
	life := cmp.Or(leaf.Life, leafLife)
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: leaf.Name, Organization: []string{"Sluice"}},
		NotBefore:   start(now, life),
		NotAfter:    now.Add(life),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if leaf.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	template.DNSNames, template.IPAddresses = splitHosts(leaf.Hosts)
	pair, err := sign(template, &signer)
	if err != nil {
		return Pair{}, fmt.Errorf("issue %s: %w", leaf.Secret, err)
	}
	pair.Bundle = authority.Bundle
	return pair, nil
}

// sign makes a fresh P-256 key and signs the template with the parent, or with that key itself when there is none.
// The serial number and the randomness are crypto/x509's and crypto/ecdsa's own; tests do not need to fix them.
func sign(template *x509.Certificate, parent *tls.Certificate) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("generate a key: %w", err)
	}
	issuer, signer := template, crypto.PrivateKey(key)
	if parent != nil {
		issuer, signer = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		return Pair{}, fmt.Errorf("sign the certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode the key: %w", err)
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

// splitHosts separates IP addresses from DNS names, because a certificate keeps them in different fields.
func splitHosts(hosts []string) (names []string, addresses []net.IP) {
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			addresses = append(addresses, ip)
			continue
		}
		names = append(names, host)
	}
	return names, addresses
}

// parse reads the pair and checks that certificate and key belong together.
func (p Pair) parse() (*tls.Certificate, error) {
	if len(p.Cert) == 0 || len(p.Key) == 0 {
		return nil, errors.New("certificate or key is missing")
	}
	cert, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, err
	}
	return &cert, nil
}

// pool returns the certificates of a bundle; the second result is false when there is none.
func pool(bundle []byte) (*x509.CertPool, bool) {
	certs := x509.NewCertPool()
	ok := certs.AppendCertsFromPEM(bundle)
	return certs, ok
}

// holds reports whether the bundle contains the certificate, whatever else it contains.
func holds(bundle, cert []byte) bool {
	want, _ := pem.Decode(cert)
	if want == nil {
		return false
	}
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if bytes.Equal(block.Bytes, want.Bytes) {
			return true
		}
	}
	return false
}
