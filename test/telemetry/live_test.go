package telemetry

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/test/realenvoy"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) { os.Exit(realkube.Main(m)) }

// TestEveryPanelShowsData asks a Prometheus that scrapes a mesh at work, in the middle of a release, every query of every
// board, and every recording rule.
func TestEveryPanelShowsData(t *testing.T) {
	binary := program(t, "prometheus")
	realenvoy.Path(t)
	w := newWorld(t)
	w.call()
	until(t, "the release can begin", func() error {
		status := realkube.Kubectl(t, w.admin, "", "-n", w.shop, "get", "canary", "podinfo", "-o", "jsonpath={.status}")
		if !strings.Contains(status, `"phase":"Initialized"`) {
			return fmt.Errorf("its status is %s", status)
		}
		return nil
	})
	realkube.Kubectl(t, w.admin, "", "-n", w.shop, "set", "image", "deployment/podinfo", "podinfo=podinfo:2")
	address := w.startPrometheus(binary)

	open := map[string]string{}
	for _, b := range boards(t) {
		maps.Copy(open, b.queries(map[string]string{"namespace": w.shop, "canary": "podinfo", "app": ".*", "__rate_interval": "20s"}))
	}
	for _, rule := range recorded(t) {
		open["rule "+rule] = fmt.Sprintf("%s{kubernetes_namespace=%q}", rule, w.shop)
	}
	total := len(open)
	until(t, "every query returns data", func() error {
		var missing []string
		for _, where := range slices.Sorted(maps.Keys(open)) {
			if err := returnsData(address, open[where]); err != nil {
				missing = append(missing, fmt.Sprintf("%s: %v: %s", where, err, open[where]))
			} else {
				delete(open, where)
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d of %d do not:\n%s", len(missing), total, strings.Join(missing, "\n"))
		}
		return nil
	})
	t.Logf("%d queries return data", total)
	labelsAreAppMeshs(t, address, w)
}

// labelsAreAppMeshs: queries that were written for App Mesh's and Flagger's Prometheus find the sidecars.
func labelsAreAppMeshs(t *testing.T, address string, w *world) {
	t.Helper()
	for _, query := range []string{
		fmt.Sprintf(`sum(rate(envoy_cluster_upstream_rq{kubernetes_namespace=%q,kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)",envoy_response_code!~"5.*"}[20s]))`, w.shop),
		fmt.Sprintf(`histogram_quantile(0.99, sum(rate(envoy_cluster_upstream_rq_time_bucket{kubernetes_namespace=%q,kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"}[20s])) by (le))`, w.shop),
		fmt.Sprintf(`envoy_server_live{job="appmesh-envoy",kubernetes_namespace=%q,app="podinfo-primary"}`, w.shop),
	} {
		if err := returnsData(address, query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// returnsData asks one instant query; no sample, or nothing but NaN, is an error.
func returnsData(address, query string) error {
	answer, err := http.Get(address + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var body struct {
		Error string
		Data  struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || body.Error != "" {
		return fmt.Errorf("%s%w", body.Error, err)
	}
	for _, sample := range body.Data.Result {
		if n, err := strconv.ParseFloat(sample.Value[1].(string), 64); err == nil && !math.IsNaN(n) {
			return nil
		}
	}
	return fmt.Errorf("%d samples, none a number", len(body.Data.Result))
}

// recorded are the names of the recording rules.
func recorded(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(components, "telemetry", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`record: (\S+)`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, match[1])
	}
	return names
}

// startPrometheus runs it with the configuration of config/, all but who finds the pods: this Prometheus is built without
// Kubernetes' discovery, so a file has what that would say.
func (w *world) startPrometheus(binary string) (address string) {
	t := w.t
	t.Helper()
	text, err := os.ReadFile(filepath.Join(components, "telemetry", "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rules, err := filepath.Abs(filepath.Join(components, "telemetry", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	targets := filepath.Join(dir, "targets.json")
	const discovery = "kubernetes_sd_configs:\n      - role: pod"
	if strings.Count(string(text), discovery) != 3 {
		t.Fatalf("the configuration finds its targets otherwise than by\n%s", discovery)
	}
	config := strings.NewReplacer(discovery, fmt.Sprintf("file_sd_configs:\n      - files: [%q]", targets),
		"/etc/prometheus/rules.yaml", rules, "scrape_interval: 5s", "scrape_interval: 1s", "evaluation_interval: 15s", "evaluation_interval: 2s").Replace(string(text))
	for name, content := range map[string][]byte{"prometheus.yml": []byte(config), "targets.json": w.discovered()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host := fmt.Sprintf("127.0.0.1:%d", realenvoy.FreePort(t))
	start(t, nil, binary, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+host)
	until(t, "Prometheus is ready", func() error { return answers("http://" + host + "/-/ready") })
	return "http://" + host
}

var illegal = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// discovered is what Prometheus' discovery of Kubernetes says of the pods that are there: a target for each port of each
// container.
func (w *world) discovered() []byte {
	w.t.Helper()
	type target struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	var all []target
	for _, namespace := range []string{w.system, w.shop} {
		pods, err := w.kube.CoreV1().Pods(namespace).List(w.t.Context(), metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, pod := range pods.Items {
			for _, port := range pod.Spec.Containers[0].Ports {
				labels := map[string]string{
					"__meta_kubernetes_namespace": namespace, "__meta_kubernetes_pod_name": pod.Name, "__meta_kubernetes_pod_ip": pod.Status.PodIP,
					"__meta_kubernetes_pod_phase": string(corev1.PodRunning), "__meta_kubernetes_pod_container_name": pod.Spec.Containers[0].Name,
					"__meta_kubernetes_pod_container_port_name": port.Name,
				}
				for name, value := range pod.Labels {
					labels["__meta_kubernetes_pod_label_"+illegal.ReplaceAllString(name, "_")] = value
				}
				all = append(all, target{Targets: []string{fmt.Sprintf("%s:%d", pod.Status.PodIP, port.ContainerPort)}, Labels: labels})
			}
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// call sends requests to both versions and to the gateway, and reviews to the webhook process, until the test ends.
func (w *world) call() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	w.t.Cleanup(func() { cancel(); <-done })
	hooks := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // it is called, not trusted
	apps := &http.Client{Timeout: 10 * time.Second}
	review := func(path, resource, kind, object string) {
		text := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","namespace":%q,"kind":%s,"resource":%s,"object":%s}}`,
			w.shop, kind, resource, object)
		if answer, err := hooks.Post(fmt.Sprintf("https://127.0.0.1:%d%s", w.hooks, path), "application/json", bytes.NewBufferString(text)); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}
	nodes := dynamic.NewForConfigOrDie(w.admin).Resource(appmeshv1beta2.GroupVersion.WithResource("virtualnodes")).Namespace(w.shop)
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			time.Sleep(50 * time.Millisecond)
			if i%20 == 0 { // something to publish
				patch := fmt.Sprintf(`[{"op":"add","path":"/spec/listeners/0/timeout","value":{"http":{"perRequest":{"unit":"s","value":%d}}}}]`, 15+i%7)
				_, _ = nodes.Patch(ctx, "web", types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
			}
			for _, address := range []string{
				fmt.Sprintf("%s10:%d", w.network, w.application), fmt.Sprintf("%s11:%d", w.network, w.application), fmt.Sprintf("127.0.0.1:%d", w.gateway),
			} {
				if answer, err := apps.Get("http://" + address + "/"); err == nil {
					_, _ = io.Copy(io.Discard, answer.Body)
					answer.Body.Close()
				}
			}
			review("/mutate-v1-pod", `{"group":"","version":"v1","resource":"pods"}`, `{"group":"","version":"v1","kind":"Pod"}`,
				fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"web-","namespace":%q,"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"web"}]}}`, w.shop))
			review("/validate-flagger-app-v1beta1-canary", `{"group":"flagger.app","version":"v1beta1","resource":"canaries"}`, `{"group":"flagger.app","version":"v1beta1","kind":"Canary"}`,
				fmt.Sprintf(`{"apiVersion":"flagger.app/v1beta1","kind":"Canary","metadata":{"name":"bad","namespace":%q},"spec":{"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"bad"},"service":{"port":80},"analysis":{"interval":"10s","threshold":1,"stepWeight":200}}}`, w.shop))
		}
	}()
}
