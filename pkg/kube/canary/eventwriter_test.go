package canary

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// flaky is a way to an API server on which every third request gets lost, before or behind the server.
type flaky struct{ http.RoundTripper }

func (f flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	switch rand.Intn(6) {
	case 0:
		return nil, fmt.Errorf("connection reset on the way there")
	case 1:
		resp, err := f.RoundTripper.RoundTrip(r)
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return nil, fmt.Errorf("connection reset on the way back")
	}
	return f.RoundTripper.RoundTrip(r)
}

// writerWorld is an event writer in a namespace of a real API server.
type writerWorld struct {
	*eventWriter
	t         *testing.T
	kube      kubernetes.Interface
	namespace string
	mu        sync.Mutex
	results   map[string]int
}

func newWriterWorld(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) *writerWorld {
	config := realkube.Start(t)
	w := &writerWorld{t: t, namespace: realkube.Namespace(t, config, nil), results: map[string]int{}}
	w.kube = kubernetes.NewForConfigOrDie(config)
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 100, 50 // as the process has it
	if wrap != nil {
		config.Wrap(wrap)
	}
	client := kubernetes.NewForConfigOrDie(config)
	w.eventWriter = newEventWriter(client.CoreV1(), clock.RealClock{}, slog.New(slog.DiscardHandler), func(result string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.results[result]++
	})
	return w
}

func (w *writerWorld) say(canary, message string) {
	w.write(&corev1.ObjectReference{
		APIVersion: "flagger.app/v1beta1", Kind: "Canary", Namespace: w.namespace, Name: canary, UID: "1",
	}, "Normal", "WeightAdvanced", message)
}

// told lists a Canary's events in the order in which they were created.
func (w *writerWorld) told(canary string) []corev1.Event {
	w.t.Helper()
	list, err := w.kube.CoreV1().Events(w.namespace).List(context.Background(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + canary})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Event) int { return strings.Compare(a.Name, b.Name) })
	return list.Items
}

func TestEveryTransitionIsAnEvent(t *testing.T) {
	w := newWriterWorld(t, func(rt http.RoundTripper) http.RoundTripper { return flaky{rt} })
	const transitions = 200
	names := []string{"podinfo", strings.Repeat("long-", 50) + "na"}
	for i := range transitions {
		for _, name := range names {
			w.say(name, fmt.Sprintf("Advance %s canary weight %d", name[:4], i))
		}
	}
	for i := 0; ; i++ {
		w.mu.Lock()
		done := w.results[eventWritten]
		w.mu.Unlock()
		if done == transitions*len(names) {
			break
		}
		if i > 600 {
			t.Fatalf("%d of %d events are written; %v", done, transitions*len(names), w.results)
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.close()
	for _, name := range names {
		events := w.told(name)
		if len(events) != transitions {
			t.Fatalf("%d transitions of %s give %d events", transitions, name, len(events))
		}
		for i, e := range events {
			if want := fmt.Sprintf("Advance %s canary weight %d", name[:4], i); e.Message != want || e.Count != 1 || e.Reason != "WeightAdvanced" {
				t.Fatalf("event %d is %q, %s, %d times; want %q once", i, e.Message, e.Reason, e.Count, want)
			}
		}
	}
}

func TestASentenceThatIsRepeatedIsCounted(t *testing.T) {
	w := newWriterWorld(t, nil)
	for range 12 {
		w.say("podinfo", "Halt podinfo.test advancement")
	}
	w.say("podinfo", "Advance podinfo.test canary weight 10")
	w.say("podinfo", "Halt podinfo.test advancement")
	w.close() // an orderly stop writes what waits
	var got []string
	for _, e := range w.told("podinfo") {
		got = append(got, fmt.Sprintf("%dx %s", e.Count, e.Message))
	}
	if want := []string{"12x Halt podinfo.test advancement", "1x Advance podinfo.test canary weight 10", "1x Halt podinfo.test advancement"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	w.say("podinfo", "too late")
	if w.results[eventDropped] != 1 {
		t.Errorf("results %v: what comes after the end is told in the log", w.results)
	}
}

func TestWhatCanNeverBeWrittenHoldsNothing(t *testing.T) {
	w := newWriterWorld(t, nil)
	w.write(&corev1.ObjectReference{Kind: "Canary", Namespace: "no-such-namespace", Name: "podinfo"}, "Normal", "Promoted", "to nobody")
	w.say("podinfo", strings.Repeat("ü", maxMessage))
	w.close()
	if w.results[eventFailed] != 1 || w.results[eventWritten] != 1 {
		t.Errorf("results %v", w.results)
	}
	if events := w.told("podinfo"); len(events) != 1 || len(events[0].Message) > maxMessage {
		t.Errorf("a long message gives %d events", len(events))
	}
}

func TestARolloutOfAHundredStepsTellsEachOfThem(t *testing.T) {
	w := initialised(t, strings.NewReplacer("stepWeight: 20", "stepWeight: 1", "maxWeight: 60", "maxWeight: 100").Replace(podinfoCanary))
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	for weight := 1; weight <= 100; weight++ {
		text := fmt.Sprintf("Advance podinfo.%s canary weight %d", w.namespace, weight)
		w.until("every step is told", func() bool {
			return slices.ContainsFunc(w.events(), func(e corev1.Event) bool { return e.Message == text && e.Count == 1 && e.Reason == "WeightAdvanced" })
		})
	}
}
