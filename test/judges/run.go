package main

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/sluice-mesh/sluice/pkg/gate"
)

const (
	// declared is the rate of false rollbacks that the simulated rollouts declare: the default.
	declared = 0.01
	// slowMS is the bound of the latency range. Every request of the primary is as likely to be slow as to fail.
	slowMS = 500
	// allowed is how many requests may be bad: one in a hundred.
	allowed = 0.01
	// rolloutSeconds is how long a rollout is watched.
	rolloutSeconds = 20 * 60
	// readingsFirst is how many seconds the primary is read before the canary gets traffic, as in pkg/canary.
	readingsFirst = 90
	// usualSeed makes every simulation give the same, unless another is asked for: the judge was made with this one, so others
	// show whether it is good or lucky.
	usualSeed = 20261125
)

// standard is that of a Canary with both built-in metrics.
func standard(rate float64) gate.Standard {
	return gate.Standard{FalseRollbackRate: rate, Measures: []gate.Measure{
		{Name: "request-success-rate", Allowed: allowed},
		{Name: "request-duration", SlowMS: slowMS, Allowed: allowed},
	}}
}

// outcome is what became of the rollouts of one cell.
type outcome struct {
	runs int
	// seconds are those until the verdict Fail, sorted, of the runs that got one: since the canary's first request, or
	// since it broke.
	seconds []int
}

// seed is that of all simulations of this process.
var seed uint64 = usualSeed

// simulate runs a cell's rollouts on all processors.
func simulate(t traffic, s gate.Standard, runs int) outcome {
	var next atomic.Int64
	var mu sync.Mutex
	var workers sync.WaitGroup
	o := outcome{runs: runs}
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for run := next.Add(1); run <= int64(runs); run = next.Add(1) {
				if second := rollout(newSource(t, uint64(run)), s); second > 0 {
					mu.Lock()
					o.seconds = append(o.seconds, second-t.breaksAt)
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	slices.Sort(o.seconds)
	return o
}

// rollout gives the second in which the judge rolls back, 0 if it does not.
func rollout(source *source, s gate.Standard) int {
	var e gate.Evidence
	for range readingsFirst {
		e.Add(s, source.next(), false)
	}
	source.second = 0
	for second := 1; second <= rolloutSeconds; second++ {
		tick := source.next()
		e.Add(s, tick, true)
		if c := tick.Canary; c.Failures == 0 && c.Latency[0].Count == c.Requests {
			continue // only bad requests of the canary speak against it
		}
		if s.Judge(e).Verdict == gate.Fail {
			return second
		}
	}
	return 0
}

// rate is the share of rollouts that were rolled back.
func (o outcome) rate() float64 { return float64(len(o.seconds)) / float64(o.runs) }

// upper is the bound that the true rate is below with a confidence of 95 % (C. J. Clopper and E. S. Pearson, The Use of
// Confidence or Fiducial Limits Illustrated in the Case of the Binomial, Biometrika 26, 1934; two-sided).
func (o outcome) upper() float64 {
	k, n := float64(len(o.seconds)), float64(o.runs)
	if k == n {
		return 1
	}
	return distuv.Beta{Alpha: k + 1, Beta: n - k}.Quantile(0.975)
}

// percentile is the second by which a share of all rollouts was rolled back; 0 if fewer were.
func (o outcome) percentile(share float64) int {
	if i := int(share * float64(o.runs)); i < len(o.seconds) {
		return o.seconds[i]
	}
	return 0
}
