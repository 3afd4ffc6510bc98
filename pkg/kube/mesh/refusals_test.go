package mesh

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

func TestRefusalsNow(t *testing.T) {
	a := mesh.Refusal{Pod: "demo/a", Resource: "lds_a", Message: "bad"}
	b := mesh.Refusal{Pod: "demo/b", Resource: "lds_a", Message: "bad"}
	worse := mesh.Refusal{Pod: "demo/a", Resource: "lds_a", Message: "worse"}
	cases := map[string]struct {
		before, now []mesh.Refusal
		complete    bool
		want        []mesh.Refusal
	}{
		"all were asked: what they do not say is over":   {before: []mesh.Refusal{a, b}, now: []mesh.Refusal{b}, complete: true, want: []mesh.Refusal{b}},
		"one was not: what it said may still be so":      {before: []mesh.Refusal{a}, now: []mesh.Refusal{b}, want: []mesh.Refusal{b, a}},
		"a pod that came to another replica counts once": {before: []mesh.Refusal{a}, now: []mesh.Refusal{worse}, want: []mesh.Refusal{worse}},
		"nobody was asked, and nothing was known":        {},
	}
	for name, c := range cases {
		if diff := cmp.Diff(c.want, refusalsNow(c.before, c.now, c.complete)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// refusals are what the test says that proxies refuse.
type refusals struct {
	mu  sync.Mutex
	all []mesh.Refusal
	err error
}

func (r *refusals) Refused(context.Context) ([]mesh.Refusal, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all, r.err
}

func (r *refusals) set(err error, all ...mesh.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all, r.err = all, err
}

// TestARefusalIsACondition follows a refusal to the object it is about, into an event, and out again.
func TestARefusalIsACondition(t *testing.T) {
	w := newWorld(t)
	w.apply("virtualnodes", w.node("web"))
	condition := func() map[string]any {
		c, _ := w.condition("virtualnodes", "web", "VirtualNodeActive")
		return c
	}
	until(t, "web is active", func() bool { return condition()["status"] == "True" })
	w.refusals.set(nil, mesh.Refusal{
		Pod: w.namespace + "/web-1", Resource: "lds_ingress_0.0.0.0_15000", Message: "no such file",
		Objects: []mesh.ObjectRef{{Kind: "VirtualNode", Namespace: w.namespace, Name: "web"}},
	})
	until(t, "the refusal is told", func() bool {
		c := condition()
		message, _ := c["message"].(string)
		return c["status"] == "False" && c["reason"] == mesh.ReasonProxyRejected && strings.Contains(message, "1 pod") && strings.Contains(message, "no such file")
	})
	until(t, "there is an event", func() bool {
		list, err := w.kube.CoreV1().Events(w.namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Items {
			if e.Reason == reconcileError && e.InvolvedObject.Name == "web" && strings.Contains(e.Message, "no such file") {
				return true
			}
		}
		return false
	})
	// As long as a replica is silent, nothing is over.
	w.refusals.set(errors.New("replica 10.0.0.9 does not answer"))
	w.apply("virtualnodes", w.node("api"))
	until(t, "api is active", func() bool {
		c, _ := w.condition("virtualnodes", "api", "VirtualNodeActive")
		return c["status"] == "True"
	})
	if c := condition(); c["reason"] != mesh.ReasonProxyRejected {
		t.Errorf("the refusal was forgotten: %v", c)
	}
	w.refusals.set(nil)
	until(t, "web is active again", func() bool { return condition()["status"] == "True" })
}
