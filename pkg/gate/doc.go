// Package gate takes the counters that Envoys report and gives a verdict on a release.
//
//	Sample ---> History ---> Window ---> SuccessRate, Quantile ---> Range.Judge ---> Verdict
//	one Envoy,  all pods,    what was    percent, milliseconds      the bounds       Pass, Fail,
//	one moment  some time    counted                                                 Inconclusive
//
// Counters only grow, per Envoy process; restarts begin again at zero, pods come and go. History turns that into
// what was counted between two moments:
//
//	pod A   100 ... 160 | 0 ... 15            a restart: 60 + 15, not 15 - 100
//	pod B               0 ... 20              a new pod
//	pod C   40 ... 55 (gone)                  keeps what it counted: 15
//	        from                    to        110 requests in the window
//
// What a workload's pods cannot tell, because they crash, or never answer, or cannot be read, their callers' Envoys count on
// the other side: BothSides joins the two.
//
// The continuous judge takes ticks, what both versions did in a second, and needs no window:
//
//	Tick ---> Evidence ---> Standard.Judge ---> Judgement
//	          a few sums, whatever the time     Verdict, and what it rests on
//
// Read continuous.go first, then evidence.go; ratio.go and dispersion.go have the mathematics. docs/judges.md explains it to
// users, with figures that test/judges simulates.
//
// Everything here is pure: the caller brings the samples and the clock.
package gate
