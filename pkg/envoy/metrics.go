package envoy

import (
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/prometheus/client_golang/prometheus"
)

// typeNames are the metric labels and log words for the served types.
var typeNames = map[string]string{
	resourcev3.ClusterType:  "clusters",
	resourcev3.EndpointType: "endpoints",
	resourcev3.ListenerType: "listeners",
	resourcev3.RouteType:    "routes",
	resourcev3.SecretType:   "secrets",
}

// typeName keeps labels bounded: a proxy may ask for any type it likes.
func typeName(typeURL string) string {
	if name, ok := typeNames[typeURL]; ok {
		return name
	}
	return "other"
}

type metrics struct {
	pushes, acks, nacks, ends, reports *prometheus.CounterVec
	latency                            *prometheus.HistogramVec
	publish                            prometheus.Histogram
}

// rounds observes a publish that all have judged.
func (m *metrics) rounds(took time.Duration) { m.publish.Observe(took.Seconds()) }

func newMetrics(reg prometheus.Registerer, s *Server) *metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		pushes: counter("sluice_mesh_pushes_total", "Configuration messages sent to proxies.", "type"),
		acks:   counter("sluice_mesh_acks_total", "Configuration messages that proxies accepted.", "type"),
		nacks:  counter("sluice_mesh_nacks_total", "Configuration messages that proxies refused.", "type"),
		ends:   counter("sluice_mesh_stream_ends_total", "Streams that ended: by age, drain, client, or because they were refused.", "reason"),
		reports: counter("sluice_mesh_load_reports_total",
			"Reports of callers on one cluster: counted, late (it covers too much time), impossible, or unasked.", "outcome"),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sluice_mesh_push_ack_seconds",
			Help:    "Time from sending a configuration message to the proxy's verdict on it.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"type"}),
		publish: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "sluice_mesh_publish_ack_seconds",
			Help:    "Time from publishing a change until the last connected proxy that it concerns has judged it.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}),
	}
	published := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_mesh_published_configurations", Help: "Virtual nodes and gateways whose configuration is published.",
	}, func() float64 { return float64(s.store.count()) })
	reporting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_mesh_load_reporting_proxies", Help: "Proxies that report what they call, because a release of it is under analysis.",
	}, func() float64 { return float64(s.loads.reporting()) })
	if reg != nil {
		reg.MustRegister(m.pushes, m.acks, m.nacks, m.ends, m.reports, m.latency, m.publish, published, reporting, connectedProxies{&s.streams})
	}
	return m
}

// States of a connected proxy, as metric labels.
const (
	stateWaiting  = "waiting"  // its virtual node or gateway is not published
	stateUpdating = "updating" // it has not judged all of what is published
	stateRefusing = "refusing" // it refused part of it
	stateCurrent  = "current"  // it has all of it
)

// state names the state of a proxy. It is pure.
func (s standing) state() string {
	switch {
	case !s.published:
		return stateWaiting
	case len(s.refusals) > 0:
		return stateRefusing
	case s.open:
		return stateUpdating
	}
	return stateCurrent
}

var connectedDesc = prometheus.NewDesc("sluice_mesh_connected_proxies",
	"Proxies with an open stream to this replica, by what they made of their configuration: waiting (none is published), updating, refusing (part of it), current.",
	[]string{"state"}, nil)

// connectedProxies counts when it is asked, so that proxies pay nothing for it.
type connectedProxies struct{ streams *streams }

// Describe implements prometheus.Collector.
func (c connectedProxies) Describe(out chan<- *prometheus.Desc) { out <- connectedDesc }

// Collect implements prometheus.Collector.
func (c connectedProxies) Collect(out chan<- prometheus.Metric) {
	count := map[string]float64{stateWaiting: 0, stateUpdating: 0, stateRefusing: 0, stateCurrent: 0}
	for _, st := range c.streams.list() {
		count[st.feed.standing().state()]++
	}
	for state, n := range count {
		out <- prometheus.MustNewConstMetric(connectedDesc, prometheus.GaugeValue, n, state)
	}
}
