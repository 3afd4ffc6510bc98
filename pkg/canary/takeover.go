package canary

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

const (
	// FlaggerManager is the field manager of what Flagger writes.
	FlaggerManager = "flagger"
	// flaggerQuiet is how long Flagger must not have written to a Canary before we do.
	flaggerQuiet = time.Minute
	// lookForFlagger is the time between two looks whether it is still there.
	lookForFlagger = 10 * time.Second
)

// FlaggerLease is Flagger's Lease, where there is one.
type FlaggerLease struct {
	// Holder is who holds it; empty for nobody.
	Holder string
	// Until is when it ends unless it is renewed.
	Until time.Time
}

// flaggerAlive says why we believe that a Flagger looks after this Canary; empty when none does. Two that act on one
// Canary would undo each other's weights.
func (p *pass) flaggerAlive() string {
	if l := p.obs.FlaggerLease; l.Holder != "" && p.obs.Now.Before(l.Until) {
		return fmt.Sprintf("Flagger is still there (%s holds its Lease): %s is left to it; scale Flagger to zero", l.Holder, p.full())
	}
	var last time.Time
	for _, f := range p.ManagedFields {
		if f.Manager == FlaggerManager && f.Time != nil && f.Time.After(last) {
			last = f.Time.Time
		}
	}
	if quiet := max(flaggerQuiet, 2*p.interval()); !last.IsZero() && p.obs.Now.Sub(last) < quiet {
		return fmt.Sprintf("Flagger is still there (it wrote to %s at %s): the Canary is left to it until it has been quiet for %s",
			p.full(), last.UTC().Format(time.TimeOnly), quiet)
	}
	return ""
}

// leaveToFlagger touches nothing and says so.
func (p *pass) leaveToFlagger(why string) {
	p.handsOff = true
	p.hold(ReasonFlaggerActive, "%s", why)
	p.wake(lookForFlagger)
}

// Inherits tells whether a primary was made by Flagger, or may have been changed by it since, or was left by an earlier Canary.
func Inherits(c *canaryv1beta1.Canary, primary map[string]any) bool {
	if r := c.Status.Rollout; c.Status.LastPromotedSpec != "" && (r == nil || r.PromotedControllerRevision == "") {
		return true
	}
	last := c.Status.LastAppliedSpec
	return last != "" && !isOurs(last) || dig(primary, "metadata", "annotations")[annotationRevision] == nil
}

// InheritedContent is what a primary that Flagger made runs, without what Flagger rewrites in it: the content of the
// target that it was copied from.
func InheritedContent(c *canaryv1beta1.Canary, pods Pods, primary map[string]any) map[string]any {
	content := runtime.DeepCopyJSON(TargetOf(c).Content(primary))
	if labels := dig(content, "metadata", "labels"); labels[pods.Label] == pods.primaryValue() {
		labels[pods.Label] = pods.Value
	}
	withoutFlagger(content)
	return content
}

// SameContent tells whether the target holds what such a primary runs.
func SameContent(target, inherited map[string]any) bool {
	target = runtime.DeepCopyJSON(target)
	withoutFlagger(target)
	a, errA := json.Marshal(target)
	b, errB := json.Marshal(inherited)
	return errA == nil && errB == nil && Revision(a) == Revision(b)
}

// withoutFlagger takes away what Flagger adds to a pod template, or changes: an annotation that makes it new, names of
// copies, and the selectors that keep pods apart.
func withoutFlagger(content map[string]any) {
	annotations := dig(content, "metadata", "annotations")
	for key := range annotations {
		if key == "flagger-id" || strings.Contains(key, "toolkit.fluxcd.io") {
			delete(annotations, key)
		}
	}
	eachConfigReference(content, func(_, field string, ref map[string]any) {
		if name, ok := ref[field].(string); ok {
			ref[field] = strings.TrimSuffix(name, "-primary")
		}
	})
	eachSpreadSelector(dig(content, "spec"), func(selector map[string]any) {
		renameValues(selector, func(v any) any {
			if s, ok := v.(string); ok {
				return strings.TrimSuffix(s, "-primary")
			}
			return v
		})
	})
}

// adopt takes over a Canary of Flagger's. Flagger's hashes of pod templates cannot be compared with ours, so the primary
// is compared with the target instead: if they are the same, nothing has happened and nothing does. If not, what the
// target holds is a new revision, except after a failure, where it is the one that failed. A rollout that Flagger left in
// the middle begins again, from zero.
func (p *pass) adopt() {
	st, r := p.st, p.st.Rollout
	if p.obs.Target == nil || st.LastAppliedSpec == "" || isOurs(st.LastAppliedSpec) {
		return
	}
	same := p.obs.Inherited == "" || p.obs.InheritedSame && p.configsAsFlaggerLeftThem()
	promoted := p.revision()
	if !same {
		promoted = p.obs.Inherited
	}
	r.ConfigsTracked = p.tracks()
	st.LastPromotedSpec, st.TrackedConfigs = promoted, nil
	switch st.Phase {
	case progressing, waitingPromotion, canaryv1beta1.CanaryPhaseWaiting:
		st.LastAppliedSpec = promoted
	case canaryv1beta1.CanaryPhasePromoting, canaryv1beta1.CanaryPhaseFinalising:
		st.LastAppliedSpec = promoted
		if same { // the primary has it already: what is left is the traffic
			r.Revision, r.ControllerRevision = promoted, revisionName(p.Name, promoted)
		} else {
			p.enter(progressing)
		}
	default:
		st.LastAppliedSpec = promoted
		if st.Phase == failed {
			st.LastAppliedSpec = p.revision()
		}
		r.Revision, r.ControllerRevision = st.LastAppliedSpec, revisionName(p.Name, st.LastAppliedSpec)
	}
	p.emit(normal(ReasonAdopted, "Took over %s with revision %s", p.full(), promoted))
}

// configsAsFlaggerLeftThem compares the configuration with the hashes that Flagger noted. Without any it tracked nothing.
func (p *pass) configsAsFlaggerLeftThem() bool {
	if !p.tracks() || len(p.st.TrackedConfigs) == 0 {
		return true
	}
	for key, hash := range p.obs.FlaggerConfigs {
		if noted, ok := p.st.TrackedConfigs[key]; ok && noted != hash {
			return false
		}
	}
	return true
}

// keepLeft keeps what a primary runs that an earlier Canary left: what that had kept of it may have gone with it.
func (p *pass) keepLeft() []Fact {
	rev, w := p.st.LastPromotedSpec, p.obs.Primary
	if w == nil || p.obs.Inherited == "" || p.st.Rollout.PromotedControllerRevision != "" || !isOurs(rev) || w.Revision != rev {
		return nil
	}
	return []Fact{KeepRevision{Name: revisionName(p.Name, rev), Revision: p.obs.Inherited, FromPrimary: true}}
}

// keepInherited keeps what an inherited primary runs, so that it can be put back when a promotion fails.
func (p *pass) keepInherited() []Fact {
	if rev := p.st.LastPromotedSpec; p.inherited() && rev == p.obs.Inherited && isOurs(rev) {
		return []Fact{KeepRevision{Name: revisionName(p.Name, rev), Revision: rev, FromPrimary: true}}
	}
	return nil
}
