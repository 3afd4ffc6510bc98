package mesh

import (
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// stock is what the Lease holder sees of what App Mesh left in the cluster.
type stock struct {
	now    time.Time
	leases []*coordinationv1.Lease
	hooks  []*hookConfiguration
	pods   []*foreignPod
}

// leftovers is what there is to do and to say about it. It is pure.
type leftovers struct {
	problems []mesh.Problem
	releases []release
	waiting  []pending
	// gates are the pods whose readiness gate is to be opened.
	gates []*foreignPod
	dead  []deadHooks
	// sidecars counts the pods with a sidecar of AWS by namespace.
	sidecars map[string]int
	// rival says by what we know that App Mesh's controller runs; empty if it does not seem to.
	rival string
}

// findLeftovers judges the stock. While App Mesh's controller runs we write nothing that it writes too: it may be taking
// its things down in order, and two writers of one field undo each other.
func findLeftovers(b build, in stock) leftovers {
	s := b.snapshot
	out := leftovers{sidecars: map[string]int{}}
	legacy := findLegacyHooks(in.hooks, s.Services, s.EndpointSlices)
	out.dead = legacy.dead
	out.rival = rival(in.leases, legacy, in.now)
	out.problems = oldSidecars(in.pods, s)
	for _, pod := range in.pods {
		if pod.sidecar {
			out.sidecars[pod.Namespace]++
		}
		if pod.gated && !pod.open && pod.DeletionTimestamp == nil {
			out.gates = append(out.gates, pod)
		}
	}
	out.releases, out.waiting = leaving(s, b.broken)
	for _, p := range out.waiting {
		out.problems = append(out.problems, p.problem())
	}
	for _, m := range s.Meshes {
		ref := mesh.ObjectRef{Kind: mesh.KindMesh, Name: m.Name}
		for _, d := range out.dead {
			out.problems = append(out.problems, d.problem(ref))
		}
		if out.rival != "" {
			out.problems = append(out.problems, rivalProblem(ref, out.rival))
		}
	}
	if out.rival != "" {
		out.releases, out.gates = nil, nil
	}
	slices.SortFunc(out.problems, mesh.Problem.Compare)
	return out
}

// rivalLease is the name of the Lease that App Mesh's controller holds.
const rivalLease = "appmesh-controller-leader-election"

// rival says by what we know that App Mesh's controller runs: it renews its Lease, or, since that is optional, somebody
// answers for its webhooks.
func rival(leases []*coordinationv1.Lease, hooks legacyHooks, now time.Time) string {
	for _, l := range leases {
		if l.Name != rivalLease || l.Spec.RenewTime == nil || l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "" {
			continue
		}
		lasts := leaseDuration
		if l.Spec.LeaseDurationSeconds != nil {
			lasts = time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second
		}
		// Twice, because clocks differ and a busy holder is late.
		if now.Before(l.Spec.RenewTime.Add(2 * lasts)) {
			return fmt.Sprintf("%s renews Lease %s/%s", *l.Spec.HolderIdentity, l.Namespace, l.Name)
		}
	}
	if hooks.answered {
		return "its webhooks are answered"
	}
	return ""
}

func rivalProblem(on mesh.ObjectRef, known string) mesh.Problem {
	return mesh.Problem{
		Object: on, Reason: mesh.ReasonTwoControllers,
		Err: field.Forbidden(field.NewPath("appmesh-controller"), "App Mesh's controller runs too ("+known+
			"), and the two would undo each other's writes: finalizers and readiness gates are left to it; stop it, for example with: kubectl -n appmesh-system scale deployment appmesh-controller --replicas=0"),
	}
}
