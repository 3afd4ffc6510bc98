package canary

import (
	"cmp"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// facts lists what must be true in this state, in the order in which it must become true:
//
//	a pod template is kept            before anything runs it
//	virtual nodes                     before pods, for a pod without one is refused
//	the primary's configuration       before the template that reads it
//	the primary's template, its floor before traffic may come back to it
//	the apex on the primary           before the target loses a pod
//	the canary's replicas             before its weight
//	weight 0                          before zero replicas
//
// Weights that take traffic from the canary come first of all: whatever else is broken, the traffic goes back.
func (p *pass) facts() []Fact {
	var first []Fact
	if w := p.obs.Weights; w != nil && p.weights().takesFrom(*w) {
		first = p.route()
	}
	switch p.st.Phase {
	case "":
		return nil
	case canaryv1beta1.CanaryPhaseTerminating, canaryv1beta1.CanaryPhaseTerminated:
		return p.terminatingFacts()
	case canaryv1beta1.CanaryPhaseInitializing:
		return join(p.finalizer(), p.initialFacts())
	case canaryv1beta1.CanaryPhaseFailed:
		return join(p.route(), p.targetAtZero(), p.standing())
	case progressing, waitingPromotion, canaryv1beta1.CanaryPhasePromoting:
		return join(first, p.standing(), p.targetRunning(), p.route())
	case canaryv1beta1.CanaryPhaseFinalising:
		return join(first, p.standing(), p.route())
	}
	return join(first, p.standing(), p.route(), p.targetAtZero())
}

// route wants the weights of the state in the apex router, where there is one: also in one that is left from a time with a mesh,
// for callers go by it still.
func (p *pass) route() []Fact {
	if !p.routed() && p.obs.Weights == nil {
		return nil
	}
	return []Fact{p.weights()}
}

// meshObjects wants what the mesh routes by, where there is a mesh.
func (p *pass) meshObjects() []Fact {
	if !p.routed() {
		return nil
	}
	return []Fact{MeshObjects{}}
}

func join(parts ...any) []Fact {
	var out []Fact
	for _, part := range parts {
		switch part := part.(type) {
		case []Fact:
			out = append(out, part...)
		case Fact:
			out = append(out, part)
		}
	}
	return out
}

// initialFacts grow as the initialisation gets on: each waits for what it needs.
func (p *pass) initialFacts() []Fact {
	if p.obs.Target == nil {
		return nil
	}
	out := join(p.keepInitial(), p.meshObjects(), VersionServices{})
	if p.obs.MeshReady && (p.leftBehind() == "" || p.obs.Inherited != "") {
		out = append(out, p.configs(p.st.Rollout.TrackedConfigs)...)
		out = append(out, p.primaryRuns(p.st.Rollout.Revision, p.rolloutKept()))
		out = append(out, p.scaler()...)
	}
	if p.primaryTookOver() && p.obs.Primary.serves() {
		out = append(out, ApexService{})
	}
	return append(out, p.route()...)
}

// standing is what is true from the end of the initialisation to the end of the Canary.
func (p *pass) standing() []Fact {
	out := join(p.finalizer(), p.keepInherited(), p.keepLeft())
	if t := p.obs.Target; t != nil && p.revision() == p.st.Rollout.Revision && isOurs(t.Revision) {
		out = append(out, p.keep())
	}
	if p.obs.Target == nil {
		return out // what is generated follows from the target's pods; all stays as it is until it is back
	}
	out = join(out, p.meshObjects(), VersionServices{})
	switch rev := p.st.LastPromotedSpec; {
	case p.promoting():
		out = append(out, p.configs(p.st.Rollout.TrackedConfigs)...)
		out = append(out, p.primaryRuns(p.st.Rollout.Revision, p.rolloutKept()))
	case isOurs(rev) && !p.inherited():
		out = append(out, p.configs(p.st.TrackedConfigs)...)
		out = append(out, p.primaryRuns(rev, p.promotedKept()))
	}
	out = append(out, p.scaler()...)
	return append(out, ApexService{})
}

// promoting tells whether the primary is to run the revision of the rollout rather than the one promoted before.
func (p *pass) promoting() bool {
	return p.st.Phase == canaryv1beta1.CanaryPhasePromoting && !p.st.Rollout.PromotionFailed ||
		p.st.Phase == canaryv1beta1.CanaryPhaseFinalising
}

// inherited tells whether the primary was made by Flagger: its template is not written anew before the next promotion.
func (p *pass) inherited() bool { return p.obs.Primary != nil && p.obs.Primary.Revision == "" }

// keepInitial wants what the primary is to run kept: what the target holds, or what a primary runs that was left behind.
func (p *pass) keepInitial() []Fact {
	if left := p.leftBehind(); left == "" || left == p.revision() {
		return []Fact{p.keep()}
	}
	return p.keepLeft()
}

// keep wants what the rollout is about kept, together with the configuration that belongs to it.
func (p *pass) keep() Fact {
	return KeepRevision{Name: p.rolloutKept(), Revision: p.obs.Target.Revision, Configs: p.st.Rollout.TrackedConfigs}
}

// configs wants the copies that a revision reads, before anything runs it.
func (p *pass) configs(hashes map[string]string) []Fact {
	if len(hashes) == 0 || !p.tracks() {
		return nil
	}
	return []Fact{TrackedConfigs{Hashes: hashes}}
}

func (p *pass) primaryRuns(rev, kept string) Fact {
	return PrimaryWorkload{FromRevision: rev, Name: kept, MinReplicas: p.floor()}
}

// rolloutKept and promotedKept name the ControllerRevisions of the two revisions. A revision that was renamed since
// (see followTracking) keeps its own.
func (p *pass) rolloutKept() string {
	return cmp.Or(p.st.Rollout.ControllerRevision, revisionName(p.Name, p.st.Rollout.Revision))
}

func (p *pass) promotedKept() string {
	return cmp.Or(p.st.Rollout.PromotedControllerRevision, revisionName(p.Name, p.st.LastPromotedSpec))
}

// floor is the number of replicas below which the primary must not go: while a rollout lasts, a rollback may send it
// everything at any moment.
func (p *pass) floor() int32 {
	switch p.st.Phase {
	case progressing, waitingPromotion, canaryv1beta1.CanaryPhasePromoting, canaryv1beta1.CanaryPhaseFinalising:
		return p.st.Rollout.MinPrimaryReplicas
	}
	return 0
}

func (p *pass) scaler() []Fact {
	if !p.autoscaled() {
		return nil
	}
	if floor := p.floor(); floor > 0 {
		return []Fact{PrimaryScaler{MinReplicas: &floor}}
	}
	return []Fact{PrimaryScaler{}}
}

// targetRunning wants the canary's pods: as many as the primary has, or, where an autoscaler looks after them, what the
// traffic that is coming needs. They are asked for while a step is on its way; once it is in force they are the autoscaler's,
// which sees what comes.
func (p *pass) targetRunning() []Fact {
	switch t := p.obs.Target; {
	case t == nil:
		return nil
	case p.autoscaled() && p.st.Rollout.StepReachedTime.IsZero():
		return join(p.targetScaler(false), TargetScale{Replicas: p.neededReplicas(), Raise: true})
	case t.Replicas > 0:
		return join(p.targetScaler(false), TargetScale{Replicas: t.Replicas})
	case !p.autoscaled() && p.obs.Primary != nil:
		return join(p.targetScaler(false), TargetScale{Replicas: max(1, p.obs.Primary.Replicas)})
	}
	return join(p.targetScaler(false), TargetScale{Replicas: p.neededReplicas()})
}

// neededReplicas are the canary's share of the pods that serve everybody, as large as its share of the requests will be after
// the next step; within the bounds of its autoscaler.
func (p *pass) neededReplicas() int32 {
	n, upper := int32(1), int32(0)
	if a := p.obs.Autoscaler; a != nil {
		upper = a.MaxReplicas
		if a.MinReplicas != nil {
			n = max(n, *a.MinReplicas)
		}
	}
	everybody := p.st.Rollout.MinPrimaryReplicas
	if p.obs.Primary != nil {
		everybody = max(everybody, p.obs.Primary.Replicas)
	}
	n = max(n, (everybody*int32(p.comingShare())+fullWeight-1)/fullWeight)
	if upper > 0 {
		n = min(n, upper)
	}
	return n
}

// comingShare is how much of everybody's requests the canary may get until it is looked at again, in percent. What a match
// selects nobody knows; it is taken for few.
func (p *pass) comingShare() int {
	share := p.weights().Canary
	if p.st.Phase != progressing || p.skipAnalysis() {
		return share
	}
	switch next, more := p.next(p.position()); {
	case !p.routed() || p.strategy() == canaryv1beta1.StrategyABTesting:
		return share
	case p.strategy() == canaryv1beta1.StrategyBlueGreen: // all of it at once, at the end
		return fullWeight
	case more:
		return max(share, next.weight)
	case p.obs.Target != nil && p.obs.Target.Recreates:
		return fullWeight
	}
	return share
}

// targetScaler pauses the target's own autoscaler, or lets it work again.
func (p *pass) targetScaler(paused bool) []Fact {
	if !p.autoscaled() {
		return nil
	}
	return []Fact{TargetScaler{Paused: paused}}
}

// targetAtZero wants no pods of the target, as soon as nobody sends anything to them.
func (p *pass) targetAtZero() []Fact {
	if p.obs.Target == nil || !p.trafficLeft() || !p.obs.Primary.serves() {
		return nil
	}
	return join(p.targetScaler(true), TargetScale{Replicas: 0})
}
