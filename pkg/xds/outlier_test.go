package xds

import (
	"net/http"
	"testing"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

const outlierCluster = "cds_egress_m_web_demo_http_8080"

// TestOutliersAreEjected follows an endpoint that answers with errors until it is out, and back.
func TestOutliersAreEjected(t *testing.T) {
	m := modelOf(t, "outlier-detection")
	a, b := newPod(t, "a"), newPod(t, "b")
	behind(m, outlierCluster, a, b)
	envoy := start(t, resourcesOf(t, m, "VirtualNode/demo/front"), 8080)

	// 404 is the client's error, and two errors in a row are one too few.
	b.status.Store(http.StatusNotFound)
	if got := envoy.answering(20, "web"); got["a"] != 10 || got["404"] != 10 {
		t.Fatalf("callers got %v, want both endpoints in turn", got)
	}
	b.status.Store(http.StatusInternalServerError)
	if got := envoy.answering(4, "web"); got["500"] != 2 || envoy.ejected() != 0 {
		t.Fatalf("callers got %v, want two errors and no ejection yet", got)
	}
	envoy.answering(2, "web")
	realenvoy.Eventually(t, "b is out after its third error", func() bool { return envoy.ejected() == 1 })
	if got := envoy.answering(10, "web"); got["a"] != 10 {
		t.Errorf("callers got %v, want a alone", got)
	}
	b.status.Store(0)
	realenvoy.Eventually(t, "b is back", func() bool { return envoy.answering(10, "web")["b"] > 0 })
}

// TestHealthyOutliersStayOut holds that an ejection lasts as long as it says, even if the endpoint passes its checks.
func TestHealthyOutliersStayOut(t *testing.T) {
	const cluster = "cds_egress_m_web_demo_http_8081"
	m := modelOf(t, "outlier-detection")
	a, b := newPod(t, "a"), newPod(t, "b")
	behind(m, cluster, a, b)
	r := resourcesOf(t, m, "VirtualNode/demo/front")
	hurried(clusterOf(t, r, cluster))
	envoy := start(t, r, 8081)
	b.status.Store(http.StatusInternalServerError)
	envoy.answering(6, "web")
	ejected := func() int { return envoy.stat("cluster." + cluster + ".outlier_detection.ejections_active") }
	realenvoy.Eventually(t, "b is out", func() bool { return ejected() == 1 })
	checks := b.checks.Load()
	realenvoy.Eventually(t, "b passes more checks", func() bool { return b.checks.Load() > checks+5 })
	if got := ejected(); got != 1 {
		t.Errorf("%d endpoints are ejected, want b still", got)
	}
}

// TestOneOutlierIsEjectedAtLeast holds what App Mesh promised of maxEjectionPercent, here 0: one endpoint is ejected
// whatever it says, and no second one. What cannot be connected to is an outlier as well.
func TestOneOutlierIsEjectedAtLeast(t *testing.T) {
	m := modelOf(t, "outlier-detection")
	a := newPod(t, "a")
	behind(m, outlierCluster, a, &pod{Address: mesh.Address{IP: "127.0.0.1", Port: realenvoy.FreePort(t)}})
	envoy := start(t, resourcesOf(t, m, "VirtualNode/demo/front"), 8080)

	envoy.answering(6, "web")
	realenvoy.Eventually(t, "the dead endpoint is out after three attempts", func() bool { return envoy.ejected() == 1 })
	if got := envoy.answering(10, "web"); got["a"] != 10 {
		t.Errorf("callers got %v, want the living endpoint", got)
	}
	a.status.Store(http.StatusInternalServerError)
	if got := envoy.answering(10, "web"); got["500"] != 10 {
		t.Errorf("callers got %v, want the last endpoint's answers", got)
	}
	if got := envoy.ejected(); got != 1 {
		t.Errorf("%d endpoints are ejected, want one", got)
	}
}

func (e *running) ejected() int {
	return e.stat("cluster." + outlierCluster + ".outlier_detection.ejections_active")
}
