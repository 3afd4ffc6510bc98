package metric

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/metric/query"
)

// prometheusServer is a real Prometheus that scrapes an exporter of the test every second.
func prometheusServer(t *testing.T, exporter string) (address string) {
	t.Helper()
	binary := os.Getenv("SLUICE_PROMETHEUS")
	if binary == "" {
		const sentence = "SLUICE_PROMETHEUS is not set, so there is no Prometheus to test with: run `make test-unit`, or set it to a prometheus binary"
		if os.Getenv("SLUICE_REQUIRE") != "" {
			t.Fatal(sentence)
		}
		t.Skip(sentence)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: appmesh-envoy
  metrics_path: /
  static_configs: [{targets: [%q], labels: {kubernetes_namespace: demo}}]
`, strings.TrimPrefix(exporter, "http://"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := listener.Addr().String()
	listener.Close()
	var out bytes.Buffer
	cmd := exec.Command(binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+host)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus said:\n%s", out.String())
		}
	})
	return "http://" + host
}

// envoys is what the Envoys of a release would export: counters that grow at every scrape.
func envoys(t *testing.T) string {
	registry := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "envoy_cluster_upstream_rq"},
		[]string{"kubernetes_pod_name", "envoy_response_code"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "envoy_cluster_upstream_rq_time", Buckets: []float64{10, 25, 50, 100},
	}, []string{"kubernetes_pod_name"})
	application := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Buckets: []float64{0.01, 0.025, 0.05, 0.1},
	}, []string{"kubernetes_pod_name", "status"})
	registry.MustRegister(requests, duration, application)
	page := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.WithLabelValues("podinfo-6d-1", "200").Add(30)
		requests.WithLabelValues("podinfo-6d-1", "503").Add(10)
		requests.WithLabelValues("podinfo-primary-7c-1", "200").Add(1000)
		requests.WithLabelValues("broken-6d-1", "503").Add(10)
		for range 10 {
			duration.WithLabelValues("podinfo-6d-1").Observe(20)
			application.WithLabelValues("plain-6d-1", "200").Observe(0.02)
			application.WithLabelValues("plain-6d-1", "503").Observe(0.02)
		}
		page.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// rounded leaves out what binary fractions add.
func rounded(number string) string {
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return number
	}
	return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64)
}

func TestPrometheus(t *testing.T) {
	address := prometheusServer(t, envoys(t))
	client := NewClient(nil)
	ask := func(text string) string {
		return words(client.Ask(t.Context(), Query{
			Provider: canaryv1beta1.MetricTemplateProvider{Type: "prometheus", Address: address}, Text: text,
		}))
	}
	builtin := func(metric, target string) string {
		c := &canaryv1beta1.Canary{}
		c.Namespace = "demo"
		c.Spec.TargetRef = canaryv1beta1.LocalObjectReference{Kind: "Deployment", Name: target}
		if target == "plain" { // the one without an Envoy
			c.Spec.Provider = canaryv1beta1.ProviderKubernetes
		}
		text, _ := query.Builtin(metric, c.Spec)
		text, err := query.Render(text, query.Of(c, canaryv1beta1.CanaryMetric{Interval: "30s"}))
		if err != nil {
			t.Fatal(err)
		}
		return rounded(ask(text))
	}
	deadline := time.Now().Add(time.Minute)
	for got := ""; got != "75"; got = builtin("request-success-rate", "podinfo") {
		if time.Now().After(deadline) {
			t.Fatalf("the success rate of 30 good requests and 10 bad ones is %q", got)
		}
		time.Sleep(200 * time.Millisecond)
	}
	for sentence, c := range map[string]struct{ got, want string }{
		"a duration of 20 ms in a bucket that ends at 25": {builtin("request-duration", "podinfo"), "24.85"},
		"half of an application's own requests":           {builtin("request-success-rate", "plain"), "50"},
		"their duration, in milliseconds":                 {builtin("request-duration", "plain"), "24.85"},
		"a version whose every request fails":             {builtin("request-success-rate", "broken"), "0"},
		"a version without requests":                      {builtin("request-success-rate", "nobody"), "no values"},
		"a number":                                        {ask("42"), "42"},
		"a vector of one":                                 {ask("vector(7)"), "7"},
		"the last of a vector of two":                     {ask(`sort(label_replace(vector(1), "a", "x", "", "") or vector(2))`), "2"},
		"an empty vector":                                 {ask("nothing_of_this_name"), "no values"},
		"not a number":                                    {ask("vector(0) / vector(0)"), "no values"},
		"a query over several lines":                      {ask("vector(\n\t 3\n)"), "3"},
		"a range of values":                               {ask("up[10s]"), "query returned multiple values"},
		"a text":                                          {ask(`"hello"`), "unexpected value type \"string\""},
		"a query that cannot be read":                     {ask("sum("), "invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", sentence, c.got, c.want)
		}
	}
}

// asked is a server that writes down the requests that it gets, and answers as a Prometheus does.
type asked struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func newAsked(t *testing.T, start func(http.Handler) *httptest.Server) *asked {
	a := &asked{}
	a.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.requests = append(a.requests, r)
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"5"]}]}}`)
	}))
	t.Cleanup(a.Close)
	return a
}

func TestPrometheusIsAskedWithItsCredentials(t *testing.T) {
	for sentence, c := range map[string]struct {
		credentials map[string][]byte
		want        string
	}{
		"none":                      {nil, ""},
		"a token":                   {map[string][]byte{"token": []byte("hush\n")}, "Bearer hush"},
		"a username and a password": {map[string][]byte{"username": []byte("me"), "password": []byte("hush")}, "Basic bWU6aHVzaA=="},
		"a token wins":              {map[string][]byte{"token": []byte("hush"), "username": []byte("me")}, "Bearer hush"},
	} {
		t.Run(sentence, func(t *testing.T) {
			server := newAsked(t, httptest.NewServer)
			client := NewClient(nil)
			for range 2 {
				value, found, err := client.Ask(t.Context(), Query{
					Provider: canaryv1beta1.MetricTemplateProvider{
						Type: "prometheus", Address: server.URL + "/prom?tenant=a", Headers: map[string][]string{"x-scope-orgid": {"team-a"}},
					},
					Credentials: c.credentials, Text: "up",
				})
				if err != nil || !found || value != 5 {
					t.Fatal(value, found, err)
				}
			}
			r := server.requests[0]
			if r.Method != http.MethodGet || r.URL.Path != "/prom/api/v1/query" || r.URL.Query().Get("query") != "up" || r.URL.Query().Get("tenant") != "a" {
				t.Errorf("asked %s %s", r.Method, r.URL)
			}
			if got := r.Header.Get("Authorization"); got != c.want {
				t.Errorf("Authorization %q, want %q", got, c.want)
			}
			if got := r.Header.Get("X-Scope-Orgid"); got != "team-a" {
				t.Errorf("the provider's header is %q", got)
			}
			if len(client.kept) != 1 || server.requests[1].RemoteAddr != r.RemoteAddr {
				t.Error("a second question must use the connection of the first")
			}
		})
	}
}

func TestCredentialsStayWithTheProvider(t *testing.T) {
	elsewhere := newAsked(t, httptest.NewServer)
	provider := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/api/v1/query?query=up", http.StatusFound))
	defer provider.Close()
	_, _, err := NewClient(nil).Ask(t.Context(), Query{
		Provider:    canaryv1beta1.MetricTemplateProvider{Type: "prometheus", Address: provider.URL, Headers: map[string][]string{"X-Key": {"hush"}}},
		Credentials: map[string][]byte{"token": []byte("hush")}, Text: "up",
	})
	if err != nil {
		t.Fatal(err)
	}
	if h := elsewhere.requests[0].Header; h.Get("Authorization") != "" || h.Get("X-Key") != "" {
		t.Errorf("credentials went to where the provider sent us on: %v", h)
	}
}

func TestPrometheusVerifiesCertificatesUnlessToldNotTo(t *testing.T) {
	server := newAsked(t, httptest.NewTLSServer)
	ask := func(insecure bool) error {
		_, _, err := NewClient(nil).Ask(t.Context(), Query{
			Provider: canaryv1beta1.MetricTemplateProvider{Type: "prometheus", Address: server.URL, InsecureSkipVerify: insecure}, Text: "up",
		})
		return err
	}
	if err := ask(false); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate must be refused, got %v", err)
	}
	if err := ask(true); err != nil {
		t.Errorf("insecureSkipVerify: %v", err)
	}
}
