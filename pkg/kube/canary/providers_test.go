package canary

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/metric"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// askedMetrics asks through the real client, as cmd/canary does.
type askedMetrics struct{ *metric.Client }

func (a askedMetrics) Ask(ctx context.Context, q MetricQuery) (float64, bool, error) {
	return a.Client.Ask(ctx, metric.Query(q))
}

// promServer speaks Prometheus's HTTP API: it answers each query with the value that the test set, and writes down
// what it was asked.
type promServer struct {
	*httptest.Server
	mu      sync.Mutex
	value   string // empty: an empty vector
	down    bool
	queries []string
	logins  []string
}

func newPromServer(t *testing.T, value string) *promServer {
	p := &promServer{value: value}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		p.queries = append(p.queries, r.FormValue("query"))
		p.logins = append(p.logins, r.Header.Get("Authorization"))
		samples := ""
		if p.value != "" {
			samples = `{"metric":{},"value":[1,"` + p.value + `"]}`
		}
		w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[` + samples + `]}}`))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *promServer) set(change func(*promServer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// last is the newest query and the login that it came with.
func (p *promServer) last() (query, login string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queries) == 0 {
		return "", ""
	}
	return p.queries[len(p.queries)-1], p.logins[len(p.logins)-1]
}

const templatedCanary = podinfoCanary + `
    - name: errors
      interval: 2m
      thresholdRange: {max: 5}
      templateRef: {name: errors, namespace: TEMPLATES}
      templateVariables: {code: "404"}
`

const errorsTemplate = `
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: errors}
spec:
  provider: {type: prometheus, address: "ADDRESS", secretRef: {name: login}}
  query: sum(rate(errors{app="{{ target }}",ns="{{ namespace }}",code="{{ variables.code }}"}[{{ interval }}]))
`

var metricTemplates = canaryv1beta1.GroupVersion.WithResource("metrictemplates")

func (w *world) secret(name string, data map[string]string) {
	w.t.Helper()
	_, err := w.kube.CoreV1().Secrets(w.namespace).Create(context.Background(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data,
	}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestATemplateOfAnotherNamespaceJudges(t *testing.T) {
	prom := newPromServer(t, "3")
	w := newWorld(t)
	w.metrics = askedMetrics{metric.NewClient(nil)}
	elsewhere := &world{t: t, kube: w.kube, dynamic: w.dynamic, namespace: realkube.Namespace(t, w.config, nil)}
	elsewhere.apply(metricTemplates, strings.ReplaceAll(errorsTemplate, "ADDRESS", prom.URL))
	elsewhere.secret("login", map[string]string{"username": "me", "password": "hush"})
	w.watched = []string{elsewhere.namespace}
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, strings.ReplaceAll(templatedCanary, "TEMPLATES", elsewhere.namespace))
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("the second step", func() bool { return w.canary().Status.CanaryWeight == 40 })
	query, login := prom.last()
	if want := `sum(rate(errors{app="podinfo",ns="` + w.namespace + `",code="404"}[2m]))`; query != want {
		t.Errorf("asked %s, want %s", query, want)
	}
	if login != "Basic bWU6aHVzaA==" {
		t.Errorf("login %q", login)
	}
	result := func() *canaryv1beta1.MetricResult {
		for _, m := range w.canary().Status.Rollout.Metrics {
			if m.Name == "errors" {
				return &m
			}
		}
		return nil
	}
	if r := result(); r == nil || r.Value != "3" || r.Verdict != canaryv1beta1.VerdictPass {
		t.Errorf("result %+v", r)
	}

	prom.set(func(p *promServer) { p.down = true })
	w.until("the outage is told", func() bool { return w.told("Metric query failed for errors: server error: 503") > 0 })
	for range 5 {
		w.until("it goes on being told", w.checks())
	}
	if c := w.canary(); c.Status.FailedChecks != 0 || c.Status.CanaryWeight == 0 {
		t.Errorf("weight %v, %v failed checks: that a provider is down is no failure of the release", c.Status.CanaryWeight, c.Status.FailedChecks)
	}
	prom.set(func(p *promServer) { p.down, p.value = false, "12.341" })
	w.until("it is rolled back", w.phase(canaryv1beta1.CanaryPhaseFailed))
	if w.told("Halt podinfo."+w.namespace+" advancement errors 12.34 > 5") == 0 {
		t.Error("no event says which metric failed")
	}
	for _, e := range w.events() {
		if strings.Contains(e.Message, "hush") {
			t.Error("an event holds a credential:", e.Message)
		}
	}
	if strings.Contains(w.log.String(), "hush") {
		t.Error("the log holds a credential")
	}
}

// checks is true once per check.
func (w *world) checks() func() bool {
	last := w.canary().Status.Rollout.LastCheckTime
	return func() bool { return w.canary().Status.Rollout.LastCheckTime != last }
}

func TestBuiltinMetricsComeFromTheMetricsServerThatTheSpecNames(t *testing.T) {
	prom := newPromServer(t, "100")
	w := newWorld(t)
	w.metrics = askedMetrics{metric.NewClient(nil)}
	w.traffic.set(func(f *traffic) { f.failing = true }) // nobody asks the Envoys
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, strings.Replace(podinfoCanary, "  provider: appmesh\n", "  provider: appmesh\n  metricsServer: "+prom.URL+"\n", 1))
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("the second step", func() bool { return w.canary().Status.CanaryWeight == 40 })
	prom.set(func(p *promServer) { p.value = "" })
	w.until("it is rolled back", w.phase(canaryv1beta1.CanaryPhaseFailed))
	if w.told("no values found for appmesh metric request-success-rate probably podinfo") == 0 {
		t.Error("no event says that there were no values")
	}
	prom.mu.Lock()
	defer prom.mu.Unlock()
	for _, part := range []string{"envoy_cluster_upstream_rq{", "histogram_quantile(0.99"} {
		if !strings.Contains(strings.Join(prom.queries, "\n"), part) {
			t.Errorf("nobody asked for %s", part)
		}
	}
}

func TestWhatCannotBeAskedOfATemplate(t *testing.T) {
	w := newWorld(t)
	w.metrics = askedMetrics{metric.NewClient(nil)}
	w.apply(metricTemplates, strings.ReplaceAll(errorsTemplate, "ADDRESS", "http://127.0.0.1:1"))
	w.apply(metricTemplates, `{apiVersion: flagger.app/v1beta1, kind: MetricTemplate, metadata: {name: old}, spec: {provider: {type: graphite}, query: a}}`)
	w.apply(metricTemplates, `{apiVersion: flagger.app/v1beta1, kind: MetricTemplate, metadata: {name: bad}, spec: {provider: {type: prometheus}, query: "{{ variables.x }}"}}`)
	live, err := client.New(w.config, client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{
		store: newStore(live), secrets: newSecrets(live, w.clock), counters: newCounters(prometheus.NewRegistry()),
		metrics: w.metrics, noCrossNamespaceRefs: true,
	}
	c := &canaryv1beta1.Canary{ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: w.namespace}}
	reference := func(name, namespace string) canaryv1beta1.CanaryMetric {
		return canaryv1beta1.CanaryMetric{Name: "m", TemplateVariables: map[string]string{"code": "404"}, TemplateRef: &canaryv1beta1.CrossNamespaceObjectReference{Name: name, Namespace: namespace}}
	}
	for name, c2 := range map[string]struct {
		metric canaryv1beta1.CanaryMetric
		want   string
	}{
		"no such template": {reference("none", ""), "Metric template none.NS error: MetricTemplate none.NS not found"},
		"no such Secret":   {reference("errors", ""), `Metric template errors.NS secret login error: read the Secret: secrets "login" not found`},
		"not served":       {reference("old", ""), "Metric template old.NS provider graphite error: it is not served, use prometheus, datadog, cloudwatch, externalmetrics"},
		"no variable":      {reference("bad", ""), `Metric template bad.NS query render error: fill in the query: template: query:1:3: executing "query" at <variables>: map has no entry for key "x"`},
		"another namespace": {reference("errors", "elsewhere"),
			"Metric template errors.elsewhere error: can't access metric template errors.elsewhere, cross-namespace references are blocked"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.measure(t.Context(), c, c2.metric).Unasked
			if got = strings.ReplaceAll(got, w.namespace, "NS"); got != c2.want {
				t.Errorf("got  %s\nwant %s", got, c2.want)
			}
		})
	}
}
