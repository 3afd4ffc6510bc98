package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// maxWait bounds how long a call may wait for a verdict, so that a caller that went away is forgotten.
const maxWait = 30 * time.Second

// maxQuestion bounds a question, in bytes: some hundred for each of ten thousand virtual nodes.
const maxQuestion = 4 << 20

// loadsQuestion asks what the callers of virtual nodes counted.
type loadsQuestion struct {
	Nodes []mesh.ObjectRef `json:"nodes"`
}

// Source is what is known about proxies; envoy.Server is one.
type Source interface {
	Router(mesh.ObjectRef) envoy.RouterStatus
	AwaitRouter(context.Context, mesh.ObjectRef, mesh.Generation) envoy.RouterStatus
	Status() []envoy.ProxyStatus
	Loads([]mesh.ObjectRef) []envoy.Load
}

// Identity is a certificate with its key, and those whom its owner trusts. Both may change while we run.
type Identity struct {
	Certificate func() (*tls.Certificate, error)
	Trusted     func() (*x509.CertPool, error)
}

// ServerConfig is what a Server needs. All fields but Log are required.
type ServerConfig struct {
	Source   Source
	Identity Identity
	// Canary and Mesh are the DNS names in the certificates of those two processes. Nobody else is answered.
	Canary, Mesh string
	Log          *slog.Logger
}

// Server answers other processes of ours.
type Server struct {
	config ServerConfig
	mux    *http.ServeMux
}

// NewServer returns a server that listens nowhere yet.
func NewServer(config ServerConfig) *Server {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: config, mux: http.NewServeMux()}
	// Who may call what: canary learns of routers and of callers' load, and only mesh itself, whose Lease holder tells of refusals, of all proxies.
	s.mux.Handle("GET /v1/routers/{namespace}/{name}", s.only(s.router, config.Canary, config.Mesh))
	s.mux.Handle("POST /v1/loads", s.only(s.loads, config.Canary))
	s.mux.Handle("GET /v1/proxies", s.only(s.proxies, config.Mesh))
	return s
}

// Serve answers until ctx is done.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(tls.NewListener(listener, s.tls())); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve peers: %w", err)
	}
	return nil
}

// tls lets in whoever has a client certificate of an authority that we trust at this moment.
func (s *Server) tls() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			trusted, err := s.config.Identity.Trusted()
			if err != nil {
				return nil, err
			}
			certificate, err := s.config.Identity.Certificate()
			if err != nil {
				return nil, err
			}
			return &tls.Config{
				MinVersion:   tls.VersionTLS13,
				Certificates: []tls.Certificate{*certificate},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    trusted,
			}, nil
		},
	}
}

// only answers those whose certificate has one of the names.
func (s *Server) only(answer func(http.ResponseWriter, *http.Request), names ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaf := r.TLS.PeerCertificates[0]
		if !slices.ContainsFunc(names, func(name string) bool { return leaf.VerifyHostname(name) == nil }) {
			s.config.Log.Warn("refused a caller", "path", r.URL.Path, "certificate", leaf.Subject.CommonName)
			http.Error(w, fmt.Sprintf("the certificate of %q may not ask this", leaf.Subject.CommonName), http.StatusForbidden)
			return
		}
		answer(w, r)
	})
}

func (s *Server) router(w http.ResponseWriter, r *http.Request) {
	router := mesh.ObjectRef{Kind: mesh.KindVirtualRouter, Namespace: r.PathValue("namespace"), Name: r.PathValue("name")}
	q := r.URL.Query()
	if q.Get("generation") == "" {
		write(w, s.config.Source.Router(router))
		return
	}
	number, err := strconv.ParseInt(q.Get("generation"), 10, 64)
	if err != nil {
		http.Error(w, "generation is not a number", http.StatusBadRequest)
		return
	}
	wait, err := time.ParseDuration(q.Get("wait"))
	if err != nil || wait < 0 {
		http.Error(w, "wait is not a duration, such as 10s", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(wait, maxWait))
	defer cancel()
	write(w, s.config.Source.AwaitRouter(ctx, router, mesh.Generation{UID: q.Get("uid"), Number: number}))
}

func (s *Server) proxies(w http.ResponseWriter, r *http.Request) {
	all := s.config.Source.Status()
	if r.URL.Query().Get("refused") == "true" {
		all = slices.DeleteFunc(all, func(p envoy.ProxyStatus) bool { return len(p.Refused) == 0 })
	}
	write(w, all)
}

// loads is a POST, because it makes proxies report.
func (s *Server) loads(w http.ResponseWriter, r *http.Request) {
	var asked loadsQuestion
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion)).Decode(&asked); err != nil {
		http.Error(w, fmt.Sprintf("the question is not what it should be: %v", err), http.StatusBadRequest)
		return
	}
	write(w, s.config.Source.Loads(asked.Nodes))
}

// write answers in JSON. An error means that the caller is gone.
func write(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
