package canary

import "fmt"

// Fact is something that must be true in the cluster. The set is closed: the shell has one case per type.
// A fact says what, never how: making a true fact true again changes nothing.
type Fact interface{ fact() }

// KeepRevision wants the target's pod template of this moment kept in an immutable ControllerRevision that the Canary owns.
// Promotion copies from it, so what is promoted is what was judged. Nothing to do when the object exists.
type KeepRevision struct {
	// Name of the ControllerRevision.
	Name string
	// Revision is the hash of the pod template; if the target has moved on and Name does not exist, the fact fails.
	Revision string
	// FromPrimary keeps what a primary that Flagger made runs, instead of what the target holds.
	FromPrimary bool
	// Configs are the hashes of the ConfigMaps and Secrets that belong to the revision, by key; kept beside the template.
	Configs map[string]string
}

// MeshObjects wants the VirtualNodes, VirtualRouters and VirtualServices that the builders of the same names give.
// The weights inside an existing apex router are not part of it: the fact Weights owns them.
type MeshObjects struct{}

// VersionServices wants the Services <apex>-canary and <apex>-primary.
type VersionServices struct{}

// PrimaryWorkload wants the primary to exist and to run the pod template kept under FromRevision.
type PrimaryWorkload struct {
	// FromRevision is the revision to run, Name the ControllerRevision that keeps it.
	FromRevision, Name string
	// MinReplicas is the number of replicas below which the primary must not be set, 0 when there is no floor.
	MinReplicas int32
}

// PrimaryScaler wants the copy of the autoscaler for the primary, with a floor while a rollout runs.
type PrimaryScaler struct {
	// MinReplicas is the floor; nil leaves the source's own minimum.
	MinReplicas *int32
}

// TargetScaler wants the target's own autoscaler to leave the target alone, or to work.
type TargetScaler struct {
	// Paused is for an idle target.
	Paused bool
}

// ApexService wants the apex Service to select the primary.
type ApexService struct {
	// Target makes it select the target instead: the Canary is going.
	Target bool
}

// Held wants the finalizer on the Canary, or not.
type Held struct {
	// By says whether the deletion of the Canary is to wait for us.
	By bool
}

// PrimaryReleased wants the primary, and what only it uses, to belong to nobody but the Canary, so that it goes with it.
type PrimaryReleased struct{}

// Weights says where requests to the apex go, in percent. As a fact it wants the apex router to hold them.
type Weights struct {
	// Primary and Canary share everybody's requests and sum to 100; in an A/B test, those that do not match.
	Primary, Canary int
	// Matched is the canary's share of the requests that an A/B test matches; the primary has the rest of them.
	Matched int
	// Mirror is how many of the requests are copied to the canary, which answers nobody then.
	Mirror int
	// Cookies keep users where they are.
	Cookies Cookies
}

// Shares are the weights without what goes with them.
func (w Weights) Shares() Weights {
	return Weights{Primary: w.Primary, Canary: w.Canary, Matched: w.Matched}
}

// Cookies are those of a rollout's users, each as name=value; an empty one is not used.
type Cookies struct {
	// Canary and Primary mark users who stay there. The answers of the version set them.
	Canary, Primary string
	// Expired is one of an earlier rollout, which users who have it lose.
	Expired string
}

// ReachCanary tells whether any user's request goes to the canary.
func (w Weights) ReachCanary() bool { return w.Canary > 0 || w.Matched > 0 }

// String is for messages.
func (w Weights) String() string {
	text := fmt.Sprintf("primary %d canary %d", w.Primary, w.Canary)
	if w.Matched > 0 {
		text += fmt.Sprintf(" matched %d", w.Matched)
	}
	if w.Mirror > 0 {
		text += fmt.Sprintf(" mirrored %d", w.Mirror)
	}
	return text
}

// takesFrom tells whether the canary has more of something in other.
func (w Weights) takesFrom(other Weights) bool {
	return w.Canary < other.Canary || w.Matched < other.Matched || w.Mirror < other.Mirror
}

// TargetScale wants the target at Replicas. Zero is enforced; another number is written only while the target has
// zero, because a running canary belongs to its autoscaler.
type TargetScale struct {
	// Replicas is the wanted spec.replicas.
	Replicas int32
	// Raise writes the number to a target that runs with fewer, too.
	Raise bool
}

// TrackedConfigs wants the primary's copies of the target's ConfigMaps and Secrets to have these hashes. Their content
// comes from the sources, while these still have it, or from what the copies held before the last change; the fact fails
// when neither does.
type TrackedConfigs struct {
	// Hashes by "configmap/<name>" or "secret/<name>".
	Hashes map[string]string
}

func (KeepRevision) fact()    {}
func (MeshObjects) fact()     {}
func (VersionServices) fact() {}
func (PrimaryWorkload) fact() {}
func (PrimaryScaler) fact()   {}
func (TargetScaler) fact()    {}
func (ApexService) fact()     {}
func (Weights) fact()         {}
func (Held) fact()            {}
func (PrimaryReleased) fact() {}
func (TargetScale) fact()     {}
func (TrackedConfigs) fact()  {}
