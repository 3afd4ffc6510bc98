package envoy

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often, at most, the certificate files are looked at.
const certificateCheck = time.Second

// Certificate is a serving certificate in files that change while we run.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]fileStamp
	checked time.Time
	now     func() time.Time
}

// fileStamp changes when a file is replaced. Mounted Secrets are symbolic links, and os.Stat looks at what they lead to.
type fileStamp struct {
	modified time.Time
	size     int64
}

// LoadCertificate reads a certificate and its key. It fails if they cannot be used now; later failures keep the last pair.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	if err := c.reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Get returns the current certificate; it fits tls.Config.GetCertificate. The files are looked at on a handshake, so
// nothing runs in the background, and a replica without connections has nothing to renew.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked) >= certificateCheck {
		c.checked = now
		if stamp, err := c.stampNow(); err == nil && stamp != c.stamp {
			// Half of a rotation may be on disk: certificate new, key old. The next check sees the rest.
			if err := c.reload(); err != nil {
				c.log.Warn("keeping the last certificate", "file", c.certFile, "error", err)
			}
		}
	}
	return c.current, nil
}

func (c *Certificate) reload() error {
	stamp, err := c.stampNow()
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate %s: %w", c.certFile, err)
	}
	c.current, c.stamp = &pair, stamp
	return nil
}

func (c *Certificate) stampNow() ([2]fileStamp, error) {
	var out [2]fileStamp
	for i, path := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return out, err
		}
		out[i] = fileStamp{modified: info.ModTime(), size: info.Size()}
	}
	return out, nil
}
