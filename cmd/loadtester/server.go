package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxRequest bounds a webhook's body; real ones are about a kilobyte.
const maxRequest = 1 << 20

// newHandler is the whole HTTP surface. The texts of the answers are part of the contract: gates are asked by scripts.
func newHandler(r *runner, g *gates, cfg config) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), r.started, r.ended)

	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", say(http.StatusOK, "OK"))
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/gate/approve", say(http.StatusOK, "OK"))
	mux.HandleFunc("/gate/halt", say(http.StatusForbidden, "Forbidden"))
	// Rollback gates are apart from the others: opening one must never approve a promotion.
	for path, prefix := range map[string]string{"/gate": "", "/rollback": "rollback."} {
		mux.HandleFunc(path+"/check", withPayload(checkGate(g, prefix, cfg)))
		mux.HandleFunc(path+"/open", withPayload(moveGate(g, prefix, true, cfg)))
		mux.HandleFunc(path+"/close", withPayload(moveGate(g, prefix, false, cfg)))
	}
	mux.HandleFunc("/", withPayload(newTask(r, cfg)))
	return mux
}

func say(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

// withPayload decodes the body for handlers that need to know the canary.
func withPayload(handle func(http.ResponseWriter, payload)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var p payload
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&p); err != nil {
			say(http.StatusBadRequest, fmt.Sprintf("decode the request body: %v", err))(w, r)
			return
		}
		handle(w, p)
	}
}

func checkGate(g *gates, prefix string, cfg config) func(http.ResponseWriter, payload) {
	return func(w http.ResponseWriter, p payload) {
		open := g.isOpen(prefix + p.canary())
		cfg.log.Info("gate checked", "canary", p.canary(), "gate", prefix+p.canary(), "open", open)
		if !open {
			say(http.StatusForbidden, "Forbidden")(w, nil)
			return
		}
		say(http.StatusOK, "Approved")(w, nil)
	}
}

func moveGate(g *gates, prefix string, open bool, cfg config) func(http.ResponseWriter, payload) {
	return func(w http.ResponseWriter, p payload) {
		g.set(prefix+p.canary(), open)
		cfg.log.Info("gate moved", "canary", p.canary(), "gate", prefix+p.canary(), "open", open)
		w.WriteHeader(http.StatusAccepted)
	}
}

func newTask(r *runner, cfg config) func(http.ResponseWriter, payload) {
	return func(w http.ResponseWriter, p payload) {
		t, err := parseTask(p, cfg.namespace)
		if err != nil {
			cfg.log.Warn("task refused", "canary", p.canary(), "error", err.Error())
			status := http.StatusBadRequest
			if errors.Is(err, errForbidden) {
				status = http.StatusForbidden
			}
			say(status, err.Error())(w, nil)
			return
		}
		if !t.blocking {
			r.start(t)
			w.WriteHeader(http.StatusAccepted)
			return
		}
		output, err := r.run(t)
		switch {
		case err != nil:
			say(http.StatusInternalServerError, fmt.Sprintf("command %s failed: %s: %v", t.command, output, err))(w, nil)
		case t.answer:
			say(http.StatusOK, output)(w, nil)
		default:
			w.WriteHeader(http.StatusOK)
		}
	}
}
