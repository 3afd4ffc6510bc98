package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxRequest bounds a webhook's body; real ones are about a kilobyte.
const maxRequest = 1 << 20

// newHandler is the whole HTTP surface. The texts of the answers are part of the contract: gates are asked by scripts.
func newHandler(r *runner, g *gates, cfg config) http.Handler {
	registry := prometheus.NewRegistry()
	h := &handler{runner: r, gates: g, cfg: cfg, refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sluice_loadtester_requests_refused_total", Help: "Requests that were refused, by the HTTP status of the answer.",
	}, []string{"code"})}
	registry.MustRegister(collectors.NewGoCollector(), r.started, r.ended, r.now, h.refused)

	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", say(http.StatusOK, "OK"))
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/gate/approve", say(http.StatusOK, "OK"))
	mux.HandleFunc("/gate/halt", say(http.StatusForbidden, "Forbidden"))
	// Rollback gates are apart from the others: opening one must never approve a promotion.
	for path, prefix := range map[string]string{"/gate": "", "/rollback": "rollback."} {
		mux.HandleFunc(path+"/check", h.withPayload(false, h.checkGate(prefix)))
		mux.HandleFunc(path+"/open", h.withPayload(true, h.moveGate(prefix, true)))
		mux.HandleFunc(path+"/close", h.withPayload(true, h.moveGate(prefix, false)))
	}
	mux.HandleFunc("/", h.withPayload(true, h.newTask))
	return mux
}

// handler is what the routes have in common.
type handler struct {
	runner  *runner
	gates   *gates
	cfg     config
	refused *prometheus.CounterVec
}

func say(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

// withPayload decodes the body for handlers that need to know the canary. guarded are those that move something: asking
// whether a gate is open harms nobody.
func (h *handler) withPayload(guarded bool, handle func(http.ResponseWriter, payload)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			h.refuse(w, http.StatusBadRequest, fmt.Sprintf("read the request body: %v", err))
			return
		}
		if guarded {
			if err := h.cfg.door.refuses(r, body); err != nil {
				h.cfg.log.Warn("request refused", "path", r.URL.Path, "from", r.RemoteAddr, "error", err.Error())
				h.refuse(w, http.StatusUnauthorized, err.Error())
				return
			}
		}
		var p payload
		if err := json.Unmarshal(body, &p); err != nil {
			h.refuse(w, http.StatusBadRequest, fmt.Sprintf("decode the request body: %v", err))
			return
		}
		handle(w, p)
	}
}

func (h *handler) refuse(w http.ResponseWriter, status int, text string) {
	h.refused.WithLabelValues(strconv.Itoa(status)).Inc()
	say(status, text)(w, nil)
}

func (h *handler) checkGate(prefix string) func(http.ResponseWriter, payload) {
	return func(w http.ResponseWriter, p payload) {
		open := h.gates.isOpen(prefix + p.canary())
		h.cfg.log.Info("gate checked", "canary", p.canary(), "gate", prefix+p.canary(), "open", open)
		if !open {
			say(http.StatusForbidden, "Forbidden")(w, nil)
			return
		}
		say(http.StatusOK, "Approved")(w, nil)
	}
}

func (h *handler) moveGate(prefix string, open bool) func(http.ResponseWriter, payload) {
	return func(w http.ResponseWriter, p payload) {
		h.gates.set(prefix+p.canary(), open)
		h.cfg.log.Info("gate moved", "canary", p.canary(), "gate", prefix+p.canary(), "open", open)
		w.WriteHeader(http.StatusAccepted)
	}
}

// statuses of what keeps a task from being run.
var statuses = map[error]int{
	errForbidden: http.StatusForbidden, errTooMany: http.StatusTooManyRequests, errStopping: http.StatusServiceUnavailable,
}

func statusOf(err error) int {
	for known, status := range statuses {
		if errors.Is(err, known) {
			return status
		}
	}
	return http.StatusBadRequest
}

func (h *handler) newTask(w http.ResponseWriter, p payload) {
	t, err := parseTask(p, h.cfg.namespace)
	if err == nil && !t.blocking {
		err = h.runner.start(t)
	}
	if err != nil {
		h.cfg.log.Warn("task refused", "canary", p.canary(), "error", err.Error())
		h.refuse(w, statusOf(err), err.Error())
		return
	}
	if !t.blocking {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	output, err := h.runner.run(t)
	switch {
	case errors.Is(err, errTooMany), errors.Is(err, errStopping):
		h.refuse(w, statusOf(err), err.Error())
	case err != nil:
		say(http.StatusInternalServerError, fmt.Sprintf("command %s failed: %s: %v", t.command, output, err))(w, nil)
	case t.answer:
		say(http.StatusOK, output)(w, nil)
	default:
		w.WriteHeader(http.StatusOK)
	}
}
