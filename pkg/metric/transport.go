package metric

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/hashicorp/go-cleanhttp"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// maxAnswer bounds an answer, in bytes: one number is wanted of it, and it is held in memory.
const maxAnswer = 8 << 20

// transport carries requests to one provider: with its headers, and with credentials to it alone.
type transport struct {
	pool    *http.Transport
	host    string
	headers http.Header
	// authorize adds the credentials; nil for none.
	authorize func(*http.Request)
}

func newTransport(p canaryv1beta1.MetricTemplateProvider, address *url.URL) *transport {
	pool := cleanhttp.DefaultPooledTransport()
	if p.InsecureSkipVerify {
		pool.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the spec asks for it
	}
	return &transport{pool: pool, host: address.Host, headers: p.Headers}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == t.host { // not where the provider sends us on to
		r = r.Clone(r.Context())
		for name, values := range t.headers {
			r.Header[http.CanonicalHeaderKey(name)] = values
			if http.CanonicalHeaderKey(name) == "Host" && len(values) > 0 {
				r.Host = values[0]
			}
		}
		if t.authorize != nil {
			t.authorize(r)
		}
	}
	resp, err := t.pool.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

func (t *transport) close() { t.pool.CloseIdleConnections() }

// boundedBody fails rather than reading without end.
type boundedBody struct {
	io.ReadCloser
	left int
}

var errTooLong = fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

// address reads the provider's, which must be a URL with a host.
func address(p canaryv1beta1.MetricTemplateProvider) (*url.URL, error) {
	u, err := url.Parse(p.Address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the provider's address is not a URL that starts with http:// or https://")
	}
	return u, nil
}

// withoutURL takes off the layer that net/http adds, which spells out the whole URL.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
