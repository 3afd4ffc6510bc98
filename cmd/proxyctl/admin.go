package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answerTimeout is how long one answer of the admin interface may take. Its main thread may be busy with a new
// configuration.
const answerTimeout = 10 * time.Second

// admin is Envoy's admin interface on its Unix socket.
type admin struct {
	socket string
	client *http.Client
}

func newAdmin(socket string) *admin {
	return &admin{socket: socket, client: &http.Client{Timeout: answerTimeout, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		// Connections that stay open would count as the last ones of a proxy that drains.
		DisableKeepAlives: true,
	}}}
}

// do sends a request and returns the body of its answer; an answer that is not 200 is an error that quotes it.
func (a *admin) do(ctx context.Context, method, path string) ([]byte, error) {
	resp, err := a.send(ctx, method, path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: envoy answers %s: %s", method, path, resp.Status, bytes.TrimSpace(body))
	}
	return body, nil
}

func (a *admin) send(ctx context.Context, method, path string) (*http.Response, error) {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://envoy"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("make request %s %s: %w", method, path, err)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach envoy at %s: %w", a.socket, err)
	}
	return resp, nil
}

// copyTo streams a page: a dump of the configuration may be large.
func (a *admin) copyTo(ctx context.Context, w io.Writer, path string) error {
	resp, err := a.send(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read the answer to GET %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: envoy answers %s", path, resp.Status)
	}
	return nil
}

// inFlight counts the HTTP requests that Envoy has taken and not yet answered.
func (a *admin) inFlight(ctx context.Context) (int, error) {
	body, err := a.do(ctx, http.MethodGet, "/stats?filter=downstream_rq_active$")
	if err != nil {
		return 0, err
	}
	return sumActive(string(body))
}

// ownManagers are HTTP connection managers whose requests are about Envoy itself: the admin interface, which counts the
// question it is answering, and the port of the statistics, which is polled to the end.
var ownManagers = []string{"http.admin.", "http.sluice_stats."}

// sumActive adds up lines such as "http.ingress.downstream_rq_active: 3".
func sumActive(text string) (int, error) {
	sum := 0
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || !strings.HasPrefix(name, "http.") || own(name) {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return 0, fmt.Errorf("read statistic %q: %w", line, err)
		}
		sum += n
	}
	return sum, nil
}

func own(name string) bool {
	for _, prefix := range ownManagers {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
