package canary

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func (w *world) phaseOf(name string) string {
	w.t.Helper()
	phase, _, _ := unstructured.NestedString(w.get(canaries, name).Object, "status", "phase")
	return phase
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
		w.until(name+" is initialised", func() bool { return w.phaseOf(name) == "Initialized" })
	}
	for _, name := range names { // one shared change that starts all of them
		deployment(name, "podinfo:3.1.1")
	}
	w.until("all are promoted", func() bool {
		running, promoted := 0, 0
		for _, name := range names {
			switch w.phaseOf(name) {
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
