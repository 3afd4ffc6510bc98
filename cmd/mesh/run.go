package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/envoy/peer"
	kubemesh "github.com/sluice-mesh/sluice/pkg/kube/mesh"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// garbage is how much of it may pile up before it is collected, in percent of what is in use. Most of the memory is that
// of connected proxies, which stays: a cheap time to look costs less than half of it again.
const garbage = 50

// run wires the two doors together and serves until ctx is done.
func run(ctx context.Context, o options) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	log, err := logger(o.logLevel)
	if err != nil {
		return err
	}
	config, err := restConfig(o.kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect to the API server: %w", err)
	}
	certificate, err := envoy.LoadCertificate(filepath.Join(o.certDir, "tls.crt"), filepath.Join(o.certDir, "tls.key"), log)
	if err != nil {
		return err
	}
	identity, err := peer.LoadIdentity(o.certDir, log)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	ids := &identities{verifier: kubemesh.NewTokenVerifier(client)}
	server := envoy.NewServer(envoy.Config{Certificate: certificate.Get, Verifier: ids, Binder: ids, Log: log, Metrics: registry})
	controller, err := kubemesh.New(kubemesh.Config{
		REST: config, ClusterDomain: o.clusterDomain, IPv6: o.ipv6, Namespace: o.namespace, LeaseName: o.lease, Identity: o.identity,
		Bundle:    func() ([]byte, error) { return os.ReadFile(filepath.Join(o.certDir, "ca.crt")) },
		Publisher: server, Proxies: replicas{server, o.otherReplicas(identity)}, Log: log, Metrics: registry,
	})
	if err != nil {
		return err
	}
	ids.controller = controller

	listener, err := net.Listen("tcp", o.xds)
	if err != nil {
		return fmt.Errorf("listen for proxies: %w", err)
	}
	door, err := net.Listen("tcp", o.peer)
	if err != nil {
		return fmt.Errorf("listen for other processes of ours: %w", err)
	}
	log.Info("serving proxies", "address", listener.Addr().String())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return controller.Run(ctx) })
	// The door stays open as long as there are proxies to tell about.
	opened, shut := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer shut()
		return server.Serve(ctx, listener)
	})
	group.Go(func() error { return o.door(server, identity, log).Serve(opened, door) })
	group.Go(func() error {
		return serve(ctx, o.metrics, map[string]http.Handler{"/metrics": promhttp.HandlerFor(registry, promhttp.HandlerOpts{})})
	})
	group.Go(func() error { return serve(ctx, o.health, health(ctx, controller)) })
	group.Go(func() error { return serve(ctx, o.debug, introspection(server)) })
	return group.Wait()
}

// introspection answers whoever gets to the loopback interface: who is connected, and where time and memory go.
func introspection(server *envoy.Server) map[string]http.Handler {
	return map[string]http.Handler{
		"/debug/proxies":       proxies(server),
		"/debug/pprof/":        http.HandlerFunc(pprof.Index),
		"/debug/pprof/profile": http.HandlerFunc(pprof.Profile),
	}
}

// identities lets the two doors speak of pods without knowing each other.
type identities struct {
	verifier   *kubemesh.TokenVerifier
	controller *kubemesh.Controller
}

// Verify implements envoy.Verifier.
func (i *identities) Verify(ctx context.Context, token string) (envoy.PodIdentity, error) {
	pod, err := i.verifier.Verify(ctx, token)
	return envoy.PodIdentity(pod), err
}

// ProxyOf implements envoy.Binder.
func (i *identities) ProxyOf(ctx context.Context, pod envoy.PodIdentity) (mesh.ProxyID, error) {
	return i.controller.ProxyOf(ctx, kubemesh.Pod(pod))
}

func logger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: want debug, info, warn or error", level)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
	klog.SetSlogLogger(log)
	return log, nil
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	// Writes come in bursts, one per object after a change of ours; the API server's own fairness limits them.
	config.QPS, config.Burst = 100, 200
	return config, nil
}

// health answers the probes. A replica that stops is not ready, so that no proxy picks it any more.
func health(ctx context.Context, controller *kubemesh.Controller) map[string]http.Handler {
	answer := func(ok func() bool) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if !ok() {
				http.Error(w, "not yet, or not any more", http.StatusServiceUnavailable)
				return
			}
			fmt.Fprintln(w, "ok")
		})
	}
	return map[string]http.Handler{
		"/healthz": answer(func() bool { return true }),
		"/readyz":  answer(func() bool { return ctx.Err() == nil && controller.Ready() }),
	}
}

func proxies(server *envoy.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		_ = out.Encode(server.Status())
	})
}

// serve answers HTTP until ctx is done.
func serve(ctx context.Context, address string, handlers map[string]http.Handler) error {
	mux := http.NewServeMux()
	for path, handler := range handlers {
		mux.Handle("GET "+path, handler)
	}
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", address, err)
	}
	return nil
}
