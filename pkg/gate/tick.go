package gate

import (
	"math"
	"sort"
)

// Tick is what both versions did since the tick before, about a second ago.
type Tick struct {
	// Canary and Primary are the new version and the one that serves.
	Canary, Primary Arm
}

// Arm is one version in a tick.
type Arm struct {
	// Window is what its pods counted, joined with what only their callers saw (BothSides).
	Window
	// CrashLooping names its pods whose container ends again and again.
	CrashLooping []string
}

// Counts are requests, and how many of them were bad.
type Counts struct {
	// Requests are all, Bad those among them that failed or were slow. Whole numbers, but where some are left out.
	Requests, Bad float64
}

func (c *Counts) add(d Counts) {
	c.Requests += d.Requests
	c.Bad += d.Bad
}

// share is the share of bad requests; 0 without requests.
func (c Counts) share() float64 {
	if c.Requests == 0 {
		return 0
	}
	return c.Bad / c.Requests
}

// Measure is one way for a request to be bad, and how many may be.
type Measure struct {
	// Name of the metric of the analysis.
	Name string
	// SlowMS makes requests bad that took longer, in milliseconds; 0 makes those bad that failed.
	SlowMS float64
	// Allowed is the share of bad requests, 0 to 1, that the objective allows. 1 means that there is no objective.
	Allowed float64
}

// weight is the measure's part of the evidence: releases that are broken fail more often than they are slow.
func (m Measure) weight() float64 {
	if m.SlowMS > 0 {
		return 1
	}
	return 2
}

// objective tells whether there is one.
func (m Measure) objective() bool { return m.Allowed < 1 }

// leastAllowed stands for an objective that allows nothing: a single bad request would be infinite evidence.
const leastAllowed = 1e-4

func (m Measure) allowed() float64 { return max(m.Allowed, leastAllowed) }

// count reads the measure from what an arm did.
func (m Measure) count(a Arm) Counts {
	if m.SlowMS > 0 {
		return slower(a.Latency, m.SlowMS)
	}
	return Counts{Requests: float64(a.Requests), Bad: float64(min(a.Failures, a.Requests))}
}

// slower counts the requests that surely took longer than a bound: those beyond the first bucket that reaches it.
func slower(h []Bucket, ms float64) Counts {
	if len(h) == 0 {
		return Counts{}
	}
	all := float64(h[len(h)-1].Count)
	i := sort.Search(len(h), func(i int) bool { return h[i].UpperMS >= ms })
	if i == len(h) || math.IsInf(h[i].UpperMS, 1) {
		return Counts{Requests: all}
	}
	return Counts{Requests: all, Bad: all - float64(h[i].Count)}
}

// Crash is a failure that needs no statistics.
type Crash string

// The crashes.
const (
	// CrashLoop is a pod of the canary whose container ends again and again, while none of the primary's does.
	CrashLoop Crash = "CrashLoop"
	// CrashUnreachable is a canary that none of its callers reaches, while they reach the primary.
	CrashUnreachable Crash = "Unreachable"
	// CrashCollapse is a canary most of whose requests are bad, tick after tick, while few of the primary's are.
	CrashCollapse Crash = "Collapse"
)

// enoughUnreached is from how many requests on it is not bad luck that none arrives.
const enoughUnreached = 3

func (t Tick) crash() Crash {
	c, p := t.Canary, t.Primary
	switch {
	case len(c.CrashLooping) > 0 && len(p.CrashLooping) == 0:
		return CrashLoop
	case c.Unreached >= enoughUnreached && c.Unreached == c.Requests && 2*p.Unreached <= p.Requests:
		return CrashUnreachable
	}
	return ""
}

// collapse is a row of ticks in which most of the canary's requests were bad, and at most a quarter as large a part of the
// primary's.
type collapse struct {
	ticks, bad float64
}

func (c *collapse) add(canary, primary Counts) {
	switch {
	case canary.Requests == 0: // says nothing
	case canary.share() > 0.5 && worse(canary, primary):
		c.ticks++
		c.bad += canary.Bad
	default:
		*c = collapse{}
	}
}

// worse tells that of the primary's requests at most a quarter as large a part was bad.
func worse(canary, primary Counts) bool { return primary.share() <= canary.share()/4 }

// suspicious is how many bad requests in one tick are worth another look soon.
const suspicious = 3

// complete tells whether the row is long enough. In one tick, or with few requests, it may be one client's batch.
func (c collapse) complete() bool { return c.ticks >= 2 && c.bad >= 20 }
