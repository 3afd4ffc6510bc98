package admission

// Cached counts the Canaries and autoscalers of a namespace that the handlers know of. Tests wait for it, because what
// was written a moment ago is on its way.
func (a *Admission) Cached(namespace string) int {
	return len(a.caches.canaries.in(namespace)) + len(a.caches.hpas.in(namespace))
}
