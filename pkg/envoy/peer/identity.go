package peer

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/sluice-mesh/sluice/pkg/envoy"
)

// LoadIdentity reads tls.crt, tls.key and ca.crt of a directory, such as a mounted Secret, and follows them. It fails if
// they cannot be used now.
func LoadIdentity(dir string, log *slog.Logger) (Identity, error) {
	certificate, err := envoy.LoadCertificate(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), log)
	if err != nil {
		return Identity{}, err
	}
	identity := Identity{
		Certificate: func() (*tls.Certificate, error) { return certificate.Get(nil) },
		// Read at every handshake: these are few, and the file is small.
		Trusted: func() (*x509.CertPool, error) { return readBundle(filepath.Join(dir, "ca.crt")) },
	}
	_, err = identity.Trusted()
	return identity, err
}

func readBundle(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read trusted certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read trusted certificates: %s holds none", path)
	}
	return pool, nil
}
