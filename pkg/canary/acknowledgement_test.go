package canary

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func TestWeightsPending(t *testing.T) {
	web, edge := Caller{Namespace: "demo", Name: "web"}, Caller{Gateway: true, Namespace: "demo", Name: "web"}
	pod := func(name string, caller Caller, ready bool) CallerPod {
		return CallerPod{UID: "uid-" + name, Namespace: "demo", Name: name, Caller: caller, Ready: ready}
	}
	served := func(taken ...string) *Acknowledgements {
		a := &Acknowledgements{Served: true, Callers: []Caller{web}, Taken: map[string]bool{}, Refused: map[string]string{"uid-no": "bad regex"}}
		for _, name := range taken {
			a.Taken["uid-"+name] = true
		}
		return a
	}
	cases := map[string]struct {
		a    *Acknowledgements
		pods []CallerPod
		want []string
	}{
		"mesh was not asked yet":              {want: []string{"pods that are not known yet"}},
		"mesh does not answer":                {a: &Acknowledgements{Silent: "no route to host"}, want: []string{"unknown pods (mesh does not answer: no route to host)"}},
		"mesh is behind":                      {a: &Acknowledgements{}, want: []string{"unknown pods (mesh has not seen the weights)"}},
		"nobody calls":                        {a: served()},
		"all callers have it":                 {a: served("a", "b"), pods: []CallerPod{pod("a", web, true), pod("b", web, true)}},
		"those that have not are named":       {a: served("a"), pods: []CallerPod{pod("c", web, true), pod("a", web, true), pod("b", web, true)}, want: []string{"demo/b", "demo/c"}},
		"one that refused says why":           {a: served(), pods: []CallerPod{pod("no", web, true)}, want: []string{"demo/no (refused: bad regex)"}},
		"one that is not ready sends nothing": {a: served(), pods: []CallerPod{pod("a", web, false)}},
		"others do not call":                  {a: served(), pods: []CallerPod{pod("a", Caller{Namespace: "demo", Name: "api"}, true)}},
		"a gateway is no node of its name":    {a: served(), pods: []CallerPod{pod("a", edge, true)}},
	}
	for name, c := range cases {
		if diff := cmp.Diff(c.want, WeightsPending(c.a, c.pods)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	silent := served("a")
	silent.Silent = "replica 10.0.0.9"
	if got := WeightsPending(silent, []CallerPod{pod("a", web, true)}); got != nil {
		t.Errorf("a replica that is gone holds a step although every caller has the weights elsewhere: %v", got)
	}
}

func TestAwaitsProxies(t *testing.T) {
	reached := &canaryv1beta1.RolloutStatus{StepReachedTime: metav1.Now()}
	stale := []canaryv1beta1.CanaryCondition{{Type: ConditionProxiesStale}}
	cases := map[string]struct {
		status canaryv1beta1.CanaryStatus
		want   bool
	}{
		"a new Canary":                  {canaryv1beta1.CanaryStatus{}, true},
		"a step on its way":             {canaryv1beta1.CanaryStatus{Rollout: &canaryv1beta1.RolloutStatus{}}, true},
		"a step in force":               {canaryv1beta1.CanaryStatus{Rollout: reached}, false},
		"in force without some proxies": {canaryv1beta1.CanaryStatus{Rollout: reached, Conditions: stale}, true},
	}
	for name, c := range cases {
		if got := AwaitsProxies(&canaryv1beta1.Canary{Status: c.status}); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
