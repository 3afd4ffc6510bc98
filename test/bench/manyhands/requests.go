package manyhands

import (
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// Requests counts what is asked of an API server.
type Requests struct {
	mu     sync.Mutex
	counts map[string]int64
}

// What is counted. Watches that are open already ask for nothing.
const (
	Leases  = "leases"
	Reads   = "reads"
	Writes  = "writes"
	Events  = "events"
	Watches = "watches"
)

// Count returns a server that passes on everything to the API server, with the rights of config, and counts it.
func Count(config *rest.Config) (*httptest.Server, *Requests, error) {
	target, err := url.Parse("https://" + strings.TrimPrefix(config.Host, "https://"))
	if err != nil {
		return nil, nil, err
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, nil, err
	}
	counted := &Requests{}
	counted.Reset()
	proxy := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, // watches say something now and then
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted.add(r)
		proxy.ServeHTTP(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	return server, counted, nil
}

// Authority is whom to trust for a server of Count, as PEM.
func Authority(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func (r *Requests) add(request *http.Request) {
	what := Writes
	switch {
	case strings.Contains(request.URL.Path, "/leases/"):
		what = Leases
	case request.URL.Query().Get("watch") != "":
		what = Watches
	case request.Method == http.MethodGet:
		what = Reads
	case strings.Contains(request.URL.Path, "/events"):
		what = Events
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what]++
}

// Reset begins to count anew.
func (r *Requests) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts = map[string]int64{Leases: 0, Reads: 0, Writes: 0, Events: 0, Watches: 0}
}

// Counts is how much was asked since Reset.
func (r *Requests) Counts() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}
