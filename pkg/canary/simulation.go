package canary

import (
	"encoding/json"
	"fmt"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// simulation is a cluster of the size of one Canary, in which facts become true at once and pods are ready at once. A
// preview plays in it, and the films of the tests in one that can also go wrong.
type simulation struct {
	canary          *canaryv1beta1.Canary
	target, primary *Workload
	router          *Weights
	kept            map[string]string // ControllerRevisions: name to revision
	// obs is what is observed besides.
	obs Observation
}

func newSimulation(c *canaryv1beta1.Canary, target *Workload) simulation {
	return simulation{
		canary: c, target: target, kept: map[string]string{},
		obs: Observation{Metrics: map[string]Measurement{}, Hooks: map[string]HookAnswer{}},
	}
}

// look is an observation at a time.
func (s *simulation) look(now time.Time) Observation {
	o := s.obs
	o.Now = now
	o.Target, o.Primary = s.target.running(), s.primary.running()
	if s.router != nil {
		copied := *s.router
		o.Weights = &copied
	}
	return o
}

// running is a workload all of whose pods are ready.
func (w *Workload) running() *Workload {
	if w == nil {
		return nil
	}
	out := *w
	out.Total, out.Updated, out.Ready, out.AvailableReplicas = w.Replicas, w.Replicas, w.Replicas, w.Replicas
	return &out
}

// make makes a fact true.
func (s *simulation) make(f Fact) error {
	switch f := f.(type) {
	case KeepRevision:
		if _, ok := s.kept[f.Name]; !ok && !f.FromPrimary && f.Revision != s.target.Revision {
			return fmt.Errorf("revision %s is gone", f.Revision)
		}
		s.kept[f.Name] = f.Revision
	case MeshObjects:
		if s.router == nil {
			s.router = &Weights{Primary: fullWeight}
		}
	case VersionServices:
		s.obs.MeshReady = true // the mesh objects come before, where there is a mesh
	case PrimaryWorkload:
		if s.primary != nil && s.primary.Revision == f.FromRevision {
			return nil
		}
		if _, ok := s.kept[f.Name]; !ok {
			return fmt.Errorf("no ControllerRevision %s", f.Name)
		}
		if s.primary == nil {
			s.primary = &Workload{Name: s.target.Name + "-primary", Replicas: s.target.Replicas}
		}
		s.primary.Revision = f.FromRevision
	case ApexService:
		s.obs.ApexReady, s.obs.ApexOnTarget = !f.Target, f.Target
	case Weights:
		s.router = &f
	case TargetScale:
		if f.Replicas == 0 || s.target.Replicas == 0 || f.Raise && s.target.Replicas < f.Replicas {
			s.target.Replicas = f.Replicas
		}
	}
	return nil
}

// print is everything that a watch would report a change of.
func (s *simulation) print() (string, error) {
	b, err := json.Marshal([]any{s.canary.Status, s.target, s.primary, s.router, s.obs.ApexReady, s.obs.ApexOnTarget, s.obs.MeshReady})
	return string(b), err
}
