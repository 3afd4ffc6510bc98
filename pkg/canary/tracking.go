package canary

import canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"

// followTracking notices that the tracking of ConfigMaps and Secrets was switched on or off. Revisions are named with what
// is tracked, but for users nothing has changed: what was promoted and what was judged keep their rank under new names.
// The primary keeps its template, and what that reads, until the next promotion.
func (p *pass) followTracking() {
	r := p.st.Rollout
	if p.obs.Target == nil || r.ConfigsTracked == p.tracks() {
		return
	}
	r.ConfigsTracked = p.tracks()
	if p.st.LastPromotedSpec == "" {
		return // nothing has a name yet
	}
	r.PromotedControllerRevision, r.ControllerRevision = p.promotedKept(), p.rolloutKept()
	plain := p.obs.Target.Revision
	rename := func(name *string, configs map[string]string) {
		switch {
		case *name == "":
		case p.tracks() && *name == plain:
			*name = p.revision()
		case !p.tracks() && *name == withConfigs(plain, configs):
			*name = plain
		}
	}
	rename(&p.st.LastPromotedSpec, p.st.TrackedConfigs)
	rename(&p.st.LastAppliedSpec, r.TrackedConfigs)
	rename(&r.Revision, r.TrackedConfigs)
}

// tracks tells whether ConfigMaps and Secrets are tracked.
func (p *pass) tracks() bool { return p.obs.TrackedConfigs != nil }

// newRollout is the state of a rollout of what the target holds now, before anything is known of it.
func (p *pass) newRollout() *canaryv1beta1.RolloutStatus {
	return &canaryv1beta1.RolloutStatus{
		Revision: p.revision(), TrackedConfigs: p.obs.TrackedConfigs, ConfigsTracked: p.tracks(),
		PromotedControllerRevision: p.st.Rollout.PromotedControllerRevision,
	}
}
