package mesh

// Condition is what the status of one object should say.
type Condition struct {
	Object ObjectRef
	// Type is the condition of the object's kind, for example VirtualNodeActive.
	Type string
	// Active is the condition's status.
	Active bool
	// Reason is ReasonActive or the reason of the first blocking problem.
	Reason string
	// Message is one sentence for people.
	Message string
}

// Conditions gives one condition per object of the snapshot that has one (all but BackendGroups), sorted by object.
func Conditions(s Snapshot, problems []Problem) []Condition {
	_, _ = s, problems
	return nil
}
