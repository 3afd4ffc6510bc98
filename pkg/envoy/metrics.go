package envoy

import (
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/prometheus/client_golang/prometheus"
)

// typeNames are the metric labels and log words for the served types.
var typeNames = map[string]string{
	resourcev3.ClusterType:  "clusters",
	resourcev3.EndpointType: "endpoints",
	resourcev3.ListenerType: "listeners",
	resourcev3.RouteType:    "routes",
}

// typeName keeps labels bounded: a proxy may ask for any type it likes.
func typeName(typeURL string) string {
	if name, ok := typeNames[typeURL]; ok {
		return name
	}
	return "other"
}

type metrics struct {
	pushes, acks, nacks, ends *prometheus.CounterVec
	latency                   *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer, s *Server) *metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		pushes: counter("sluice_mesh_pushes_total", "Configuration messages sent to proxies.", "type"),
		acks:   counter("sluice_mesh_acks_total", "Configuration messages that proxies accepted.", "type"),
		nacks:  counter("sluice_mesh_nacks_total", "Configuration messages that proxies refused.", "type"),
		ends:   counter("sluice_mesh_stream_ends_total", "Streams that ended: by age, drain, client, or because they were refused.", "reason"),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sluice_mesh_push_ack_seconds",
			Help:    "Time from sending a configuration message to the proxy's verdict on it.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"type"}),
	}
	connected := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_mesh_connected_proxies", Help: "Proxies with an open stream to this replica.",
	}, func() float64 { return float64(s.streams.count()) })
	published := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_mesh_published_configurations", Help: "Virtual nodes and gateways whose configuration is published.",
	}, func() float64 { return float64(s.store.count()) })
	if reg != nil {
		reg.MustRegister(m.pushes, m.acks, m.nacks, m.ends, m.latency, connected, published)
	}
	return m
}
