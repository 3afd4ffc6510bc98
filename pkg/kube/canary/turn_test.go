package canary

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// phases are those of all Canaries, at one moment.
func (w *world) phases() map[string]string {
	w.t.Helper()
	list, err := w.dynamic.Resource(canaries).Namespace(w.namespace).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for i := range list.Items {
		out[list.Items[i].GetName()], _, _ = unstructured.NestedString(list.Items[i].Object, "status", "phase")
	}
	return out
}

func TestRolloutsWaitForTheirTurn(t *testing.T) {
	w := newWorld(t)
	w.maxRollouts = 1
	names := []string{"a", "b", "c"}
	deployment := func(name, image string) {
		w.apply(deployments, strings.NewReplacer("podinfo", name, "image: podinfo:3.1.0", "image: "+image).Replace(podinfoDeployment))
	}
	for _, name := range names {
		deployment(name, "podinfo:3.1.0")
		w.apply(canaries, fmt.Sprintf(withoutScaler, name))
	}
	w.start()
	for _, name := range names {
		w.until(name+" is initialised", func() bool { return w.phases()[name] == "Initialized" })
	}
	for _, name := range names { // one shared change that starts all of them
		deployment(name, "podinfo:3.1.1")
	}
	w.until("all are promoted", func() bool {
		running, promoted := 0, 0
		for _, phase := range w.phases() {
			switch phase {
			case "Progressing", "Promoting", "Finalising":
				running++
			case "Succeeded":
				promoted++
			}
		}
		if running > 1 {
			t.Errorf("%d rollouts run", running)
		}
		return promoted == len(names)
	})
	if n := w.told("waits for its turn: 1 of at most 1 rollouts run"); n != 2 {
		t.Errorf("%d waited", n)
	}
}
