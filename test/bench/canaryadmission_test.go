package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/test/realenvoy"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// few and many are the Canaries, autoscalers and Deployments of the clusters that are compared.
const few, many = 10, 1000

// BenchmarkCanaryAdmission measures what it costs to judge a Canary in a cluster with many of them, and in one with few: the
// rulebook finds what belongs together by an index, so it should be the same. One cluster grows and shrinks, in turns.
func BenchmarkCanaryAdmission(b *testing.B) {
	r := startCrowd(b)
	small, large := &server{name: "few"}, &server{name: "many"}
	for b.Loop() {
		r.fill(b, few)
		r.ask(b, small)
		r.fill(b, many)
		r.ask(b, large)
	}
	for _, s := range []*server{small, large} {
		slices.Sort(s.took)
		for _, p := range []int{50, 99} {
			b.ReportMetric(milliseconds(percentile(s.took, p)), fmt.Sprintf("%s-ms-p%d", s.name, p))
		}
		b.ReportMetric(s.cpuPerRequest(), s.name+"-cpu-us")
	}
	b.ReportMetric(float64(percentile(large.took, 50))/float64(percentile(small.took, 50)), "p50-of-few")
	b.ReportMetric(large.cpuPerRequest()/small.cpuPerRequest(), "cpu-of-few")
	within, all := r.within(b)
	b.ReportMetric(100*within/all, "%served-in-5ms")
	b.ReportMetric(r.process.memory(b)/(1<<20), "MiB")
	b.ReportMetric(0, "ns/op")
}

// crowd is a cluster with many releases in it, and a webhook that judges one more.
type crowd struct {
	*server
	dynamic dynamic.Interface
	metrics string
	spaces  []string
	have    int
}

var (
	autoscalers = schema.GroupVersionResource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}
	meshes      = schema.GroupVersionResource{Group: "appmesh.k8s.aws", Version: "v1beta2", Resource: "meshes"}
)

// release is what a team writes, less its Canary.
const release = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
        - {name: app, image: "app:1", ports: [{containerPort: 8080}], resources: {requests: {cpu: 100m}}, readinessProbe: {httpGet: {path: /ready, port: 8080}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: NAME}
spec:
  minReplicas: 2
  maxReplicas: 4
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: NAME}
  metrics: [{type: ContainerResource, containerResource: {name: cpu, container: app, target: {type: Utilization, averageUtilization: 80}}}]
`

const canaryOf = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: NAME, namespace: SPACE}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: NAME}
  autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: NAME}
  service: {port: 8080, hosts: [NAME.example.com]}
  analysis:
    interval: 30s
    threshold: 5
    stepWeight: 5
    maxWeight: 50
    metrics: [{name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}]
`

func startCrowd(b *testing.B) *crowd {
	b.Helper()
	config := realkube.Start(b)
	metrics := fmt.Sprintf("127.0.0.1:%d", realenvoy.FreePort(b))
	r := &crowd{dynamic: dynamic.NewForConfigOrDie(config), metrics: metrics}
	mesh := object(b, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: Mesh, metadata: {name: releases}, spec: {namespaceSelector: {matchLabels: {mesh: releases}}}}`)
	if _, err := r.dynamic.Resource(meshes).Create(b.Context(), mesh, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	for range many / perNamespace {
		r.spaces = append(r.spaces, realkube.Namespace(b, config, map[string]string{"mesh": "releases", "appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"}))
	}
	r.server = startWebhook(b, config, metrics, "/validate-flagger-app-v1beta1-canary")
	r.put(b, r.spaces[0], "one-more", release)
	realenvoy.Eventually(b, "the webhook knows the surroundings", func() bool {
		answer, err := r.server.ask(r.review())
		return err == nil && clean(answer) == nil
	})
	return r
}

// review asks about one Canary more.
func (r *crowd) review() []byte {
	text := strings.NewReplacer("NAME", "one-more", "SPACE", r.spaces[0]).Replace(canaryOf)
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		panic(err) // the text is a constant
	}
	review, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": map[string]any{
		"uid": "1", "operation": "CREATE", "namespace": r.spaces[0], "name": "one-more",
		"kind":     map[string]any{"group": "flagger.app", "version": "v1beta1", "kind": "Canary"},
		"resource": map[string]any{"group": "flagger.app", "version": "v1beta1", "resource": "canaries"},
		"userInfo": map[string]any{"username": "somebody"}, "object": json.RawMessage(raw),
	}})
	if err != nil {
		panic(err)
	}
	return review
}

// clean tells whether the Canary was let through without a word, so that what is measured is the rulebook and no live read.
func clean(text []byte) error {
	var answer struct {
		Response struct {
			Allowed  bool     `json:"allowed"`
			Warnings []string `json:"warnings"`
		} `json:"response"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || !answer.Response.Allowed || len(answer.Response.Warnings) > 0 {
		return fmt.Errorf("not let through: %.500s", text)
	}
	return nil
}

// ask has the Canary judged many times, one after the other.
func (r *crowd) ask(b *testing.B, into *server) {
	b.Helper()
	review := r.review()
	before := r.process.cpu(b)
	for range requests {
		start := time.Now()
		answer, err := r.server.ask(review)
		into.took = append(into.took, time.Since(start))
		if err == nil {
			err = clean(answer)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	into.cpu += r.process.cpu(b) - before
}

// fill makes or deletes releases until there are so many, and waits until the webhook has nothing more to do about them.
func (r *crowd) fill(b *testing.B, want int) {
	b.Helper()
	var group errgroup.Group
	group.SetLimit(writers)
	for i := min(r.have, want); i < max(r.have, want); i++ {
		space, name := r.spaces[i/perNamespace], fmt.Sprintf("app-%d", i)
		group.Go(func() error {
			if want > r.have {
				r.put(b, space, name, release+"---"+strings.ReplaceAll(canaryOf, "SPACE", space))
				return nil
			}
			for _, resource := range []schema.GroupVersionResource{canaries, autoscalers, deployments} {
				if err := r.dynamic.Resource(resource).Namespace(space).Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	r.have = want
	for busy := true; busy; { // the events of what was just written
		before := r.process.cpu(b)
		time.Sleep(500 * time.Millisecond)
		busy = r.process.cpu(b)-before > 2*time.Second/ticks
	}
}

// put creates the objects of a text.
func (r *crowd) put(b *testing.B, space, name, text string) {
	for doc := range strings.SplitSeq(strings.ReplaceAll(text, "NAME", name), "---\n") {
		u := object(b, doc)
		u.SetNamespace(space)
		resource := map[string]schema.GroupVersionResource{"Canary": canaries, "Deployment": deployments, "HorizontalPodAutoscaler": autoscalers}[u.GetKind()]
		if _, err := r.dynamic.Resource(resource).Namespace(space).Create(context.Background(), u, metav1.CreateOptions{}); err != nil {
			b.Errorf("create %s %s: %v", u.GetKind(), name, err)
		}
	}
}

func object(b *testing.B, text string) *unstructured.Unstructured {
	b.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		b.Fatal(err)
	}
	return u
}

// within counts the requests that the process itself says it has answered in 5 ms, and all.
func (r *crowd) within(b *testing.B) (fast, all float64) {
	b.Helper()
	resp, err := http.Get("http://" + r.metrics + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, "sluice_webhook_duration_seconds_bucket") || !strings.Contains(line, "canary") {
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			b.Fatal(err)
		}
		switch {
		case strings.Contains(line, `le="0.005"`):
			fast = value
		case strings.Contains(line, `le="+Inf"`):
			all = value
		}
	}
	return fast, all
}
