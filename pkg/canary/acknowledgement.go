package canary

import (
	"fmt"
	"slices"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Acknowledgements is what mesh says about one generation of the apex router.
type Acknowledgements struct {
	// Served says that mesh serves the generation: before that it cannot know who calls.
	Served bool
	// Callers are the virtual nodes and gateways whose Envoys have routes of the router.
	Callers []Caller
	// Taken are the pods, by UID, whose Envoy has acknowledged the generation; Refused those that refused it, with Envoy's sentence.
	Taken   map[string]bool
	Refused map[string]string
	// Silent says which part of mesh did not answer; empty if all did.
	Silent string
}

// Caller is a virtual node or a virtual gateway.
type Caller struct {
	Gateway         bool
	Namespace, Name string
}

// CallerPod is a pod with an Envoy of ours, and what it was bound to.
type CallerPod struct {
	UID, Namespace, Name string
	Caller               Caller
	Ready                bool
}

// AwaitsProxies says whether it matters to a Canary who has the weights: until they are in force, and as long as the
// condition names pods that were left behind.
func AwaitsProxies(c *canaryv1beta1.Canary) bool {
	if c.Status.Rollout == nil || c.Status.Rollout.StepReachedTime.IsZero() {
		return true
	}
	return slices.ContainsFunc(c.Status.Conditions, func(condition canaryv1beta1.CanaryCondition) bool {
		return condition.Type == ConditionProxiesStale
	})
}

// WeightsPending names the pods that a weight waits for: those that are ready, call the router, and have not acknowledged
// it. A pod that is starting sends nothing yet, and starts with the weights of that moment. nil is not to know.
func WeightsPending(a *Acknowledgements, pods []CallerPod) []string {
	switch {
	case a == nil:
		return []string{"pods that are not known yet"}
	case !a.Served && a.Silent != "":
		return []string{fmt.Sprintf("unknown pods (mesh does not answer: %s)", a.Silent)}
	case !a.Served:
		return []string{"unknown pods (mesh has not seen the weights)"}
	}
	var pending []string
	for _, pod := range pods {
		if !pod.Ready || a.Taken[pod.UID] || !slices.Contains(a.Callers, pod.Caller) {
			continue
		}
		name := pod.Namespace + "/" + pod.Name
		if sentence, refused := a.Refused[pod.UID]; refused {
			name += fmt.Sprintf(" (refused: %s)", sentence)
		}
		pending = append(pending, name)
	}
	slices.Sort(pending)
	return pending
}
