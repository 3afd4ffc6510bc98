// Package canary is the shell around pkg/canary: it sees the cluster, asks Next what follows, records the answer in the
// Canary's status and only then makes the plan's facts true.
//
//	watches, timers, hook answers
//	        |
//	        v
//	gather -----> Next -----> write status -----> make facts true -----> events, log, metrics
//	(caches)     (pure)      (optimistic lock)    (patches of our fields)
//
// The status write is the commit point. Whoever reads a stale cache loses there, before it can touch traffic, and a
// process that dies behind it leaves a state from which the next one makes the same facts true again.
//
// One worker at a time looks at a Canary. It never waits for a hook, a metric or an Envoy: those run beside it, keep
// their latest answer in the Canary's session and put the Canary back into the queue.
package canary
