// Package canary takes a Canary's spec, its state and an observation of the cluster, and gives a plan: the new state,
// the facts that must be true in it, what to tell the user and when to look again. Next is the whole of it; it is pure.
//
//	"" --> Initializing --> Initialized ------.
//	                                          |  new revision
//	         .-----------> Succeeded -------->|
//	         |                                |
//	         |             Failed ----------->|
//	         |               ^                v
//	         |               |<---------- Waiting            until confirm-rollout agrees; skipped without such hooks
//	         |               |                |
//	         |   threshold,  |                v
//	         |   deadline or |<---------- Progressing --.    a step for every check that passes;
//	         |   rollback    |                |    ^    |    from zero again for a newer revision
//	         |   hook        |                |    '----'
//	         |               |                v
//	         |               |<---------- WaitingPromotion   until confirm-promotion agrees; skipped likewise
//	         |               |                |
//	         |   deadline    |                v
//	         |               '----------- Promoting          the primary takes the template that was judged
//	         |                                |
//	         |                                v
//	         '--------------------------- Finalising         the traffic goes back, then the target to zero;
//	                                                         also where a target that was put back ends
//
// How a canary gets its traffic in Progressing is the strategy's: weight after weight, all matching requests at once,
// or none until the end. See strategy.go.
//
// The state is the Canary's status, and nothing else is remembered. The shell (pkg/kube/canary) gathers an Observation,
// calls Next, writes Plan.Status, and only then makes Plan.Facts true. If it dies in between, the next pass sees that
// state and cluster differ and gives the same facts: a fact is repeated, a step is never skipped or taken twice. The
// weights follow from the state; what the router holds is only compared with it.
//
// Two versions of the target are there at once, and two of everything around them:
//
//	       callers
//	          |
//	VirtualService, VirtualRouter <apex>
//	   90 |              | 10
//	      v              v
//	<apex>-primary   <apex>-canary      VirtualNodes and Services
//	      |              |
//	<target>-primary  <target>          Deployments or DaemonSets: a copy that we write, and the user's own
//
// What differs between the kinds of targets is in target.go.
//
// Read next.go first, then the phases in order of life: initialize.go, idle.go, progress.go, rollback.go, promote.go;
// then request.go and suspend.go for what people ask for, strategy.go, and continuous.go for the judge that does not wait
// for a check. preview.go plays all of it without a cluster.
// facts.go says in which order things become true, and why. The builders of the objects (virtualnode.go, service.go,
// primary.go and so on) are what the facts mean; testdata shows them. The films in testdata/*.txtar show the rest.
package canary
