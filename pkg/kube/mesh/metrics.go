package mesh

import "github.com/prometheus/client_golang/prometheus"

// metrics of what App Mesh left behind, and of pods without a proxy. The gauges are those of the Lease holder; the other replicas say 0.
type metrics struct {
	sidecars, naked  *prometheus.GaugeVec
	dead, rival      prometheus.Gauge
	released, opened prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		sidecars: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sluice_mesh_stranded_pods",
			Help: "Pods of the mesh that still have a sidecar of AWS, by namespace; they are done when they are restarted.",
		}, []string{"namespace"}),
		naked: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sluice_mesh_naked_pods",
			Help: "Pods of namespaces that opted in to injection that have no proxy, by namespace and reason.",
		}, []string{"namespace", "reason"}),
		dead: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_mesh_dead_webhook_configurations",
			Help: "Webhook configurations of App Mesh that refuse because nobody answers for them.",
		}),
		rival: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sluice_mesh_appmesh_controller_running",
			Help: "1 while App Mesh's controller runs beside us.",
		}),
		released: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_mesh_released_objects_total",
			Help: "Objects that App Mesh's finalizers were taken off when they were deleted.",
		}),
		opened: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_mesh_opened_readiness_gates_total",
			Help: "Pods whose readiness gate of App Mesh was opened.",
		}),
	}
	if registry != nil {
		registry.MustRegister(m.sidecars, m.naked, m.dead, m.rival, m.released, m.opened)
	}
	return m
}

// set shows the leftovers; none of them means that this replica does not look.
func (m *metrics) set(left leftovers) {
	m.sidecars.Reset()
	for namespace, n := range left.sidecars {
		m.sidecars.WithLabelValues(namespace).Set(float64(n))
	}
	m.dead.Set(float64(len(left.dead)))
	m.rival.Set(0)
	if left.rival != "" {
		m.rival.Set(1)
	}
}

// setNaked shows the pods without a proxy.
func (m *metrics) setNaked(pods []nakedPod) {
	m.naked.Reset()
	for _, pod := range pods {
		m.naked.WithLabelValues(pod.Namespace, string(pod.Reason)).Inc()
	}
}
