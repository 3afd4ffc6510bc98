package canary

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// withAnalysis is the Canary of the other tests with another way to give the canary its requests.
func withAnalysis(lines string) string {
	return strings.Replace(podinfoCanary, "    stepWeight: 20\n    maxWeight: 60\n", lines, 1)
}

// released plays one release from the first initialisation to the end.
func released(t *testing.T, canaryText string) *world {
	t.Helper()
	w := initialised(t, canaryText)
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.until("the target is at zero", func() bool { return *w.deployment("podinfo").Spec.Replicas == 0 })
	w.setImage("podinfo:3.1.1")
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	w.until("the target is at zero", func() bool { return *w.deployment("podinfo").Spec.Replicas == 0 })
	if image := w.deployment("podinfo-primary").Spec.Template.Spec.Containers[0].Image; image != "podinfo:3.1.1" {
		t.Errorf("the primary runs %s", image)
	}
	return w
}

// wantWeights compares what the API server showed of the apex router after the initialisation.
func (w *world) wantWeights(want ...string) {
	w.t.Helper()
	w.weights.mu.Lock()
	defer w.weights.mu.Unlock()
	// Before it, everything goes to the target as soon as that has a pod.
	_, got, _ := strings.Cut(strings.Join(w.weights.texts, ", "), "primary 0 canary 100, ")
	if diff := cmp.Diff(strings.Join(want, ", "), got); diff != "" {
		w.t.Errorf("weights (-want +got):\n%s", diff)
	}
}

func TestABTestingGivesTheCanaryWhatMatches(t *testing.T) {
	w := released(t, withAnalysis(`    iterations: 2
    match:
    - headers: {x-canary: {exact: insider}, cookie: {regex: ".*"}}
    - queryParams: {beta: {exact: "1"}}
`))
	w.wantWeights("primary 100 canary 0", "primary 100 canary 0 matched 100", "primary 100 canary 0")
	w.tells(
		"Advance podinfo."+w.namespace+" canary iteration 1/2",
		"Advance podinfo."+w.namespace+" canary iteration 2/2",
		"Copying podinfo."+w.namespace+" template spec to podinfo-primary."+w.namespace,
	)
	if routes, _, _ := unstructured.NestedSlice(w.get(virtualRouters, "podinfo").Object, "spec", "routes"); len(routes) != 1 {
		t.Errorf("the routes of the test are still there: %v", routes)
	}
}

func TestBlueGreenMovesEverybodyAtTheEnd(t *testing.T) {
	w := released(t, withAnalysis("    iterations: 2\n"))
	w.wantWeights("primary 100 canary 0", "primary 0 canary 100", "primary 100 canary 0")
	w.tells(
		"Advance podinfo."+w.namespace+" canary iteration 2/2",
		"Routing all traffic to canary",
		"Routing all traffic to primary",
	)
	if m := w.canary().Status.Rollout.Metrics; !slices.ContainsFunc(m, func(m canaryv1beta1.MetricResult) bool { return m.Samples > 0 }) {
		t.Errorf("nothing was judged: %+v", m)
	}
}

func TestWithoutAMeshNoMeshObjectIsMade(t *testing.T) {
	w := released(t, strings.Replace(withAnalysis("    iterations: 2\n"), "provider: appmesh", "provider: kubernetes", 1))
	for _, resource := range []schema.GroupVersionResource{virtualNodes, virtualRouters, virtualServices} {
		list, err := w.dynamic.Resource(resource).Namespace(w.namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) > 0 {
			t.Errorf("%s: %v %v", resource.Resource, list, err)
		}
	}
	selector, _, _ := unstructured.NestedStringMap(w.get(services, "podinfo").Object, "spec", "selector")
	if selector["app"] != "podinfo-primary" {
		t.Errorf("the apex Service selects %v", selector)
	}
	w.tells(
		"Advance podinfo."+w.namespace+" canary iteration 2/2",
		"Promotion completed! Scaling down podinfo."+w.namespace,
	)
	if n := w.told("Routing all traffic"); n > 0 {
		t.Errorf("%d events tell of traffic that nobody routed", n)
	}
}

func TestMirrorComesBeforeTheFirstWeight(t *testing.T) {
	w := released(t, withAnalysis("    stepWeights: [50]\n    mirror: true\n    mirrorWeight: 20\n"))
	w.wantWeights("primary 100 canary 0", "primary 100 canary 0 mirrored 20", "primary 50 canary 50", "primary 100 canary 0")
	w.tells(
		"Advance podinfo."+w.namespace+" canary weight 0",
		"Advance podinfo."+w.namespace+" canary weight 50",
	)
}

func TestUsersKeepTheirVersionByCookies(t *testing.T) {
	w := released(t, withAnalysis("    stepWeights: [50]\n    sessionAffinity: {cookieName: user}\n"))
	w.wantWeights("primary 100 canary 0", "primary 50 canary 50", "primary 100 canary 0")
	st := w.canary().Status
	if st.SessionAffinityCookie != "" || !strings.HasPrefix(st.PreviousSessionAffinityCookie, "user=") {
		t.Errorf("cookies %q, before %q", st.SessionAffinityCookie, st.PreviousSessionAffinityCookie)
	}
	routes, _, _ := unstructured.NestedSlice(w.get(virtualRouters, "podinfo").Object, "spec", "routes")
	if len(routes) != 2 || !strings.Contains(fmt.Sprint(routes[0]), st.PreviousSessionAffinityCookie+"; Max-Age=-1") {
		t.Errorf("the router does not take the cookie back: %v", routes)
	}
}
