package xds

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"
)

// secretFiles stand for the ADS stream of secrets: one file each, which Envoy loads by the same code.
type secretFiles struct {
	t     *testing.T
	files map[string]string
	used  map[string]bool
}

func newSecretFiles(t *testing.T, r *Resources) *secretFiles {
	t.Helper()
	out := &secretFiles{t: t, files: map[string]string{}, used: map[string]bool{}}
	dir := t.TempDir()
	for i, secret := range r.Secrets {
		body, err := anypb.New(secret)
		must(t, err)
		text, err := protojson.Marshal(&discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{body}})
		must(t, err)
		file := filepath.Join(dir, fmt.Sprintf("%d.json", i))
		must(t, os.WriteFile(file, text, 0o600))
		out.files[secret.GetName()] = file
	}
	return out
}

// replaceIn lets a configuration read its secrets from the files.
func (s *secretFiles) replaceIn(b *bootstrapv3.Bootstrap) {
	s.t.Helper()
	b.StaticResources.Secrets = nil
	for _, l := range b.GetStaticResources().GetListeners() {
		for _, chain := range l.GetFilterChains() {
			s.replace(chain.GetTransportSocket())
		}
	}
	for _, c := range b.GetStaticResources().GetClusters() {
		s.replace(c.GetTransportSocket())
	}
	for name := range s.files {
		if !s.used[name] {
			s.t.Errorf("secret %q is sent, and nothing asks for it", name)
		}
	}
}

func (s *secretFiles) replace(socket *corev3.TransportSocket) {
	s.t.Helper()
	if socket == nil {
		return
	}
	m, err := socket.GetTypedConfig().UnmarshalNew()
	must(s.t, err)
	var common *tlsv3.CommonTlsContext
	switch m := m.(type) {
	case *tlsv3.UpstreamTlsContext:
		common = m.GetCommonTlsContext()
	case *tlsv3.DownstreamTlsContext:
		common = m.GetCommonTlsContext()
	}
	configs := append(common.GetTlsCertificateSdsSecretConfigs(), common.GetCombinedValidationContext().GetValidationContextSdsSecretConfig())
	for _, c := range configs {
		if file, ok := s.files[c.GetName()]; ok {
			s.used[c.GetName()] = true
			c.SdsConfig = &corev3.ConfigSource{ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{Path: file}}}
		}
	}
	must(s.t, socket.GetTypedConfig().MarshalFrom(m))
}

// certificates is a folder in the place of /certs, kept the way the kubelet keeps the volume of a Secret.
type certificates struct {
	dir      string
	key      *ecdsa.PrivateKey
	ca       *x509.Certificate
	versions int
}

// newCertificates makes the folder with an authority in ca.
func newCertificates(t *testing.T) *certificates {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &certificates{dir: t.TempDir(), key: key, ca: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mesh"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}}
	c.ca.Raw, err = x509.CreateCertificate(rand.Reader, c.ca, c.ca, key.Public(), key)
	must(t, err)
	c.publish(t, "ca", map[string][]byte{"ca.crt": pemOf("CERTIFICATE", c.ca.Raw)})
	return c
}

// issue writes a certificate that carries the names, with its serial number as the common name.
func (c *certificates) issue(t *testing.T, folder string, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c.versions++
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(int64(c.versions)), Subject: pkix.Name{CommonName: fmt.Sprint(c.versions)}, NotBefore: c.ca.NotBefore, NotAfter: c.ca.NotAfter,
	}
	for _, name := range names {
		if u, err := url.Parse(name); err == nil && u.Scheme != "" {
			leaf.URIs = append(leaf.URIs, u)
		} else if ip := net.ParseIP(name); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, c.ca, key.Public(), c.key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	c.publish(t, folder, map[string][]byte{"tls.crt": pemOf("CERTIFICATE", der), "tls.key": pemOf("PRIVATE KEY", keyDER)})
}

// publish replaces all files of a folder by renaming one symbolic link.
func (c *certificates) publish(t *testing.T, folder string, files map[string][]byte) {
	t.Helper()
	dir, version := filepath.Join(c.dir, folder), fmt.Sprintf("..%d", time.Now().UnixNano())
	must(t, os.MkdirAll(filepath.Join(dir, version), 0o755))
	for name, content := range files {
		must(t, os.WriteFile(filepath.Join(dir, version, name), content, 0o600))
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			must(t, os.Symlink("..data/"+name, filepath.Join(dir, name)))
		}
	}
	must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
	must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
}

// relocate lets the secrets name the folder in the place of /certs.
func (c *certificates) relocate(r *Resources) {
	move := func(source *corev3.DataSource) {
		if source != nil {
			source.Specifier = &corev3.DataSource_Filename{Filename: strings.Replace(source.GetFilename(), "/certs", c.dir, 1)}
		}
	}
	for _, s := range r.Secrets {
		certificate, authorities := s.GetTlsCertificate(), s.GetValidationContext()
		move(certificate.GetCertificateChain())
		move(certificate.GetPrivateKey())
		move(authorities.GetTrustedCa())
		for _, watched := range []*corev3.WatchedDirectory{certificate.GetWatchedDirectory(), authorities.GetWatchedDirectory()} {
			if watched != nil {
				watched.Path = strings.Replace(watched.GetPath(), "/certs", c.dir, 1)
			}
		}
	}
}

// client is the TLS of a test that trusts the authority and shows the certificate of a folder, if one is given.
func (c *certificates) client(t *testing.T, folder, serverName string) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	ca, err := x509.ParseCertificate(c.ca.Raw)
	must(t, err)
	pool.AddCert(ca)
	out := &tls.Config{RootCAs: pool, ServerName: serverName}
	if folder != "" {
		own, err := tls.LoadX509KeyPair(filepath.Join(c.dir, folder, "tls.crt"), filepath.Join(c.dir, folder, "tls.key"))
		must(t, err)
		out.Certificates = []tls.Certificate{own}
	}
	return out
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
