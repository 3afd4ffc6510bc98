package admission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
)

// offline makes the pod handler with a namespace "demo" and one virtual node in its caches, and no API server behind
// them: live reads fail at once, which is also what they do in an outage.
func offline(t testing.TB) *pods {
	t.Helper()
	return behind(t, "http://127.0.0.1:1")
}

// behind is the same with an API server at that address.
func behind(t testing.TB, address string) *pods {
	t.Helper()
	config := inject.Default()
	config.ProxyImage, config.Bootstrap = "proxy:test", func(inject.Bootstrap, []sluice.Probe) string { return "node: {}" }
	a, err := New(Options{
		Client:          &rest.Config{Host: address},
		SystemNamespace: "sluice-system",
		Inject:          config,
		Log:             logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]string{"demo": "enabled", "kube-system": "enabled", "sluice-system": "enabled", "off": "disabled"} {
		err := a.caches.namespaces.informer.GetStore().Add(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{appmeshv1beta2.AnnotationSidecarInjectorWebhook: mode},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = a.selectors.index.Set(inject.Candidate{
		Target:   inject.Target{Kind: inject.KindVirtualNode, Namespace: "demo", Name: "podinfo", MeshName: "global", AWSName: "podinfo_demo", Ports: []int32{9898}},
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "podinfo"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &pods{
		caches: a.caches, selectors: a.selectors, config: config, counters: a.counters, log: logr.Discard(),
		excluded: map[string]bool{"kube-system": true, "sluice-system": true},
	}
}

func ask(t testing.TB, handler http.Handler, body string) (int, string) {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, podPath, strings.NewReader(body))
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	answer, err := io.ReadAll(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	return recorder.Code, string(answer)
}

func reviewOf(namespace, operation, pod string) string {
	return fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u1","kind":{"group":"","version":"v1","kind":"Pod"},"namespace":%q,"operation":%q,"object":%s}}`,
		namespace, operation, pod)
}

const podinfo = `{"metadata":{"generateName":"podinfo-6c5-","labels":{"app":"podinfo"}},"spec":{"containers":[{"name":"podinfod","image":"podinfo","futureField":{"kept":true}}]}}`

func TestPodAnswers(t *testing.T) {
	handler := offline(t)
	other := strings.Replace(podinfo, `"app":"podinfo"`, `"app":"other"`, 1)
	for name, c := range map[string]struct {
		body string
		code int
		want []string // parts of the answer
	}{
		"a pod that a virtual node selects gets its proxy": {
			reviewOf("demo", "CREATE", podinfo), 200, []string{`"uid":"u1"`, `"allowed":true`, `"patchType":"JSONPatch"`},
		},
		"a pod that nothing selects is refused with App Mesh's sentence": {
			reviewOf("demo", "CREATE", other), 200, []string{`"allowed":false`, `"code":403`, "sidecarInject enabled but no matching VirtualNode or VirtualGateway found"},
		},
		"a namespace that opted out is left alone": {
			reviewOf("off", "CREATE", podinfo), 200, []string{`"response":{"uid":"u1","allowed":true}`},
		},
		"kube-system is left alone even if somebody labels it": {
			reviewOf("kube-system", "CREATE", other), 200, []string{`"response":{"uid":"u1","allowed":true}`},
		},
		"our own namespace is left alone even if somebody labels it": {
			reviewOf("sluice-system", "CREATE", other), 200, []string{`"response":{"uid":"u1","allowed":true}`},
		},
		"an update is none of our business": {
			reviewOf("demo", "UPDATE", other), 200, []string{`"response":{"uid":"u1","allowed":true}`},
		},
		"a pod of the host's network is left alone, and its author told": {
			reviewOf("demo", "CREATE", strings.Replace(podinfo, `"spec":{`, `"spec":{"hostNetwork":true,`, 1)), 200, []string{`"allowed":true`, "the pod gets no proxy: "},
		},
		"a mistake in an annotation is refused": {
			reviewOf("demo", "CREATE", strings.Replace(podinfo, `"labels"`, `"annotations":{"appmesh.k8s.aws/sidecarEnv":"NOVALUE"},"labels"`, 1)), 200, []string{`"allowed":false`, `"code":403`, "sidecarEnv"},
		},
		"a pod that is not an object": {
			reviewOf("demo", "CREATE", `[1]`), 200, []string{`"uid":"u1"`, `"allowed":false`, `"code":400`},
		},
		"a pod with a list where a map belongs": {
			reviewOf("demo", "CREATE", `{"metadata":{"labels":[]}}`), 200, []string{`"code":400`, "decode pod"},
		},
		"half a review":       {reviewOf("demo", "CREATE", podinfo)[:200], 400, []string{"the body is not an AdmissionReview"}},
		"nothing":             {"", 400, []string{"the body is not an AdmissionReview"}},
		"another kind":        {`{"kind":"Pod","apiVersion":"v1"}`, 400, []string{"the body is not an AdmissionReview"}},
		"a review of nothing": {`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`, 400, []string{"with a request in it"}},
		"too much":            {strings.Repeat(" ", maxReview+1), 413, []string{"larger than 7340032 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, answer := ask(t, handler, c.body)
			if code != c.code {
				t.Errorf("code %d, want %d", code, c.code)
			}
			for _, part := range c.want {
				if !strings.Contains(answer, part) {
					t.Errorf("%s\nlacks %s", answer, part)
				}
			}
		})
	}
}

func TestPodAnswerTwiceIsTheSame(t *testing.T) {
	handler := offline(t)
	_, first := ask(t, handler, reviewOf("demo", "CREATE", podinfo))
	for range 50 {
		if _, again := ask(t, handler, reviewOf("demo", "CREATE", podinfo)); again != first {
			t.Fatalf("got %s, before %s", again, first)
		}
	}
}

// TestDryRunIsNoCaseOfItsOwn: nothing is written, so the answer is the same.
func TestDryRunIsNoCaseOfItsOwn(t *testing.T) {
	handler := offline(t)
	review := reviewOf("demo", "CREATE", podinfo)
	_, real := ask(t, handler, review)
	if _, dry := ask(t, handler, strings.Replace(review, `"request":{`, `"request":{"dryRun":true,`, 1)); dry != real {
		t.Errorf("got %s, want %s", dry, real)
	}
}

// TestAnswersWhileTheAPIServerHangs: a read that is only to make sure ends long before the API server gives up on us.
func TestAnswersWhileTheAPIServerHangs(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections are made, and nobody reads them
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	handler := behind(t, "http://"+silent.Addr().String())
	begin := time.Now()
	_, answer := ask(t, handler, reviewOf("demo", "CREATE", strings.Replace(podinfo, `"app":"podinfo"`, `"app":"other"`, 1)))
	if took := time.Since(begin); took < liveTimeout || took > liveTimeout+2*time.Second {
		t.Errorf("took %s", took)
	}
	if !strings.Contains(answer, `"code":403`) {
		t.Errorf("the cache's word does not stand: %s", answer)
	}
}

// TestNotReadyBeforeTheCachesAreFilled: until then a virtual node could be there that we have not heard of.
func TestNotReadyBeforeTheCachesAreFilled(t *testing.T) {
	a, err := New(Options{Client: &rest.Config{Host: "http://127.0.0.1:1"}, Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Ready(nil); err == nil || !strings.Contains(err.Error(), "virtualnodes.appmesh.k8s.aws") {
		t.Errorf("got %v", err)
	}
}

// TestPodsAreCountedByReason: an installation can see how many pods miss their proxy, and why.
func TestPodsAreCountedByReason(t *testing.T) {
	handler := offline(t)
	host := strings.Replace(podinfo, `"spec":{`, `"spec":{"hostNetwork":true,`, 1)
	for _, pod := range []string{podinfo, host, host} {
		ask(t, handler, reviewOf("demo", "CREATE", pod))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(handler.counters.pods)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			got[m.GetLabel()[0].GetValue()] += m.GetCounter().GetValue()
		}
	}
	if want := map[string]float64{"Injected": 1, "HostNetwork": 2}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// FuzzPodReview feeds the handler whatever comes: the answer is a review, or a sentence with a 4xx.
func FuzzPodReview(f *testing.F) {
	f.Add([]byte(reviewOf("demo", "CREATE", podinfo)))
	f.Add([]byte(reviewOf("demo", "CREATE", podinfo)[:150]))
	f.Add([]byte(reviewOf("demo", "CREATE", `{"metadata":null,"spec":null}`)))
	f.Add([]byte(reviewOf("demo", "CREATE", `{"metadata":{"labels":{"app":"podinfo"},"annotations":{"appmesh.k8s.aws/ports":"1,x"}},"spec":{"containers":null,"volumes":[]}}`)))
	f.Add([]byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":1}}`))
	handler := offline(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		request := httptest.NewRequest(http.MethodPost, podPath, bytes.NewReader(body))
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		text := recorder.Body.Bytes()
		if recorder.Code == http.StatusOK {
			var out answer
			if err := json.Unmarshal(text, &out); err != nil || out.Response.UID == "" {
				t.Fatalf("not a review: %s", text)
			}
			return
		}
		if recorder.Code < 400 || recorder.Code > 499 || len(bytes.TrimSpace(text)) == 0 {
			t.Fatalf("code %d: %q", recorder.Code, text)
		}
	})
}

// BenchmarkPod is one admission without the network: a review of 11.8 kB, as in the measurements of our peers.
func BenchmarkPod(b *testing.B) {
	handler := offline(b)
	var env []string
	for i := range 110 {
		env = append(env, fmt.Sprintf(`{"name":"SETTING_%03d","value":"some value that is not too short %03d"}`, i, i))
	}
	pod := strings.Replace(podinfo, `"image":"podinfo"`, `"image":"podinfo","env":[`+strings.Join(env, ",")+`]`, 1)
	managed := `"managedFields":[{"manager":"kube-controller-manager","fieldsV1":{` + strings.TrimSuffix(strings.Repeat(`"f:x":{"f:y":{}},`, 200), ",") + `}}],"labels"`
	body := reviewOf("demo", "CREATE", strings.Replace(pod, `"labels"`, managed, 1))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if code, _ := ask(b, handler, body); code != http.StatusOK {
			b.Fatal(code)
		}
	}
}
