package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

const (
	// connectTimeout finds replicas that are gone before their address is.
	connectTimeout = 2 * time.Second
	// answerTimeout bounds a call, beyond the time that it was told to wait.
	answerTimeout = 5 * time.Second
	// maxAnswer bounds an answer: some hundred bytes for each of ten thousand proxies.
	maxAnswer = 64 << 20
)

// ClientConfig is what a Client needs.
type ClientConfig struct {
	// Replicas lists where the replicas answer now, such as the addresses behind a headless Service; see Resolve.
	Replicas func(context.Context) ([]netip.AddrPort, error)
	Identity Identity
	// Mesh is the DNS name in the certificate of the replicas.
	Mesh string
}

// Client asks all replicas of mesh.
type Client struct {
	config ClientConfig
	http   *http.Client
}

// NewClient returns a client that keeps its connections.
func NewClient(config ClientConfig) *Client {
	c := &Client{config: config}
	c.http = &http.Client{Transport: &http.Transport{
		DialTLSContext:      c.dial,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     time.Minute,
	}}
	return c
}

// Resolve lists the addresses of a host name with a port.
func Resolve(host string, port uint16) func(context.Context) ([]netip.AddrPort, error) {
	return func(ctx context.Context) ([]netip.AddrPort, error) {
		addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, err
		}
		out := make([]netip.AddrPort, 0, len(addresses))
		for _, a := range addresses {
			out = append(out, netip.AddrPortFrom(a.Unmap(), port))
		}
		return out, nil
	}
}

// dial reads certificate and authorities anew, because both are replaced while we run.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	trusted, err := c.config.Identity.Trusted()
	if err != nil {
		return nil, err
	}
	certificate, err := c.config.Identity.Certificate()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return (&tls.Dialer{Config: &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: c.config.Mesh, RootCAs: trusted, Certificates: []tls.Certificate{*certificate},
	}}).DialContext(ctx, network, address)
}

// Router asks what the proxies made of a generation of a virtual router. Each replica answers as soon as its proxies have
// a verdict on it, at the latest after wait. An error means that no replica was found.
func (c *Client) Router(ctx context.Context, router mesh.ObjectRef, want mesh.Generation, wait time.Duration) (RouterAnswer, error) {
	path := "/v1/routers/" + url.PathEscape(router.Namespace) + "/" + url.PathEscape(router.Name) + "?" + url.Values{
		"uid": {want.UID}, "generation": {strconv.FormatInt(want.Number, 10)}, "wait": {wait.String()},
	}.Encode()
	answers, silent, err := askAll[envoy.RouterStatus](ctx, c, question{path: path}, wait+answerTimeout)
	if err != nil {
		return RouterAnswer{}, fmt.Errorf("ask for %s: %w", router, err)
	}
	return RouterAnswer{RouterStatus: joinRouters(router, answers), Silent: silent}, nil
}

// Refusing asks for the proxies that refuse something.
func (c *Client) Refusing(ctx context.Context) ([]envoy.ProxyStatus, []Silence, error) {
	answers, silent, err := askAll[[]envoy.ProxyStatus](ctx, c, question{path: "/v1/proxies?refused=true"}, answerTimeout)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for proxies: %w", err)
	}
	return joinProxies(answers), silent, nil
}

// Loads asks what the callers of virtual nodes counted, and makes them count for some time more. Each replica answers for
// its own proxies, in epochs of its own. An error means that no replica was found.
func (c *Client) Loads(ctx context.Context, nodes []mesh.ObjectRef) ([]envoy.Load, []Silence, error) {
	body, err := json.Marshal(loadsQuestion{Nodes: nodes})
	if err != nil {
		return nil, nil, fmt.Errorf("ask for the load of callers: %w", err)
	}
	answers, silent, err := askAll[[]envoy.Load](ctx, c, question{path: "/v1/loads", body: body}, answerTimeout)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for the load of callers: %w", err)
	}
	return slices.Concat(answers...), silent, nil
}

// question is what every replica is asked: by GET, or, with a body, by POST.
type question struct {
	path string
	body []byte
}

// request puts a question to one replica.
func (q question) request(ctx context.Context, replica netip.AddrPort) (*http.Request, error) {
	method := http.MethodGet
	if q.body != nil {
		method = http.MethodPost
	}
	return http.NewRequestWithContext(ctx, method, "https://"+replica.String()+q.path, bytes.NewReader(q.body))
}

// askAll asks every replica at the same time.
func askAll[T any](ctx context.Context, c *Client, q question, timeout time.Duration) ([]T, []Silence, error) {
	replicas, err := c.config.Replicas(ctx)
	if err == nil && len(replicas) == 0 {
		err = errors.New("there is none")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("find the replicas of mesh: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	all, errs := make([]T, len(replicas)), make([]error, len(replicas))
	var asking sync.WaitGroup
	for i, replica := range replicas {
		asking.Go(func() { errs[i] = c.ask(ctx, replica, q, &all[i]) })
	}
	asking.Wait()
	var answers []T
	var silent []Silence
	for i, err := range errs {
		if err != nil {
			silent = append(silent, Silence{Replica: replicas[i].Addr(), Err: err})
			continue
		}
		answers = append(answers, all[i])
	}
	return answers, silent, nil
}

// ask asks one replica.
func (c *Client) ask(ctx context.Context, replica netip.AddrPort, q question, answer any) error {
	req, err := q.request(ctx, replica)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return json.Unmarshal(body, answer)
}
