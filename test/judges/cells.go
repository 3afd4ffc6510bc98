package main

import "fmt"

// healthy are rollouts that must not be rolled back: the canary is like the primary.
var healthy = []healthyCell{
	{"steady, 5 rps, 0.1 % bad", 0.05, traffic{rps: 5, primary: 0.001}},
	{"steady, 50 rps, 0.1 % bad", 0.05, traffic{rps: 50, primary: 0.001}},
	{"steady, 500 rps, 0.1 % bad", 0.05, traffic{rps: 500, primary: 0.001}},
	{"steady, 50 rps, 0.9 % bad, just within the range", 0.5, traffic{rps: 50, primary: 0.009}},
	{"steady, 50 rps, 0.5 % bad, weight climbs", 0, traffic{rps: 50, steps: true, primary: 0.005}},
	{"bursts of variance 1, 50 rps, 1 % bad", 0.1, traffic{rps: 50, primary: 0.01, burst: 1}},
	{"bursts of variance 5, 50 rps, 1 % bad", 0.1, traffic{rps: 50, primary: 0.01, burst: 5}},
	{"bursts of variance 5, 500 rps, 0.1 % bad", 0.1, traffic{rps: 500, primary: 0.001, burst: 5}},
	{"bursts of variance 1, 50 rps, 1 % bad", 0.5, traffic{rps: 50, primary: 0.01, burst: 1}},
	{"bursts of variance 5, 50 rps, 1 % bad", 0.5, traffic{rps: 50, primary: 0.01, burst: 5}},
	{"batches of 5, 50 rps, 0.5 % bad", 0.5, traffic{rps: 50, primary: 0.005, batch: 5}},
	{"batches of 20, 50 rps, 0.1 % bad", 0.1, traffic{rps: 50, primary: 0.001, batch: 20}},
	{"diurnal, 16 to 160 rps, bursts of variance 1", 0.1, traffic{rps: 50, primary: 0.005, burst: 1, diurnal: true}},
	{"common outage all the time, 50 rps, 2 % bad", 0.05, traffic{rps: 50, primary: 0.02}},
	{"common outage all the time, 500 rps, 20 % bad", 0.5, traffic{rps: 500, primary: 0.2}},
	{"common outages of a minute, 33 % bad", 0.1, traffic{rps: 50, primary: 0.001, outages: true}},
	{"common outages of a minute, weight climbs", 0, traffic{rps: 50, steps: true, primary: 0.001, outages: true}},
}

// healthyCell is one row of the table of false rollbacks.
type healthyCell struct {
	name  string
	share float64 // of the traffic that the canary gets; 0 where it climbs
	traffic
}

// run simulates the cell.
func (c healthyCell) run(rate float64, runs int) outcome {
	t := c.traffic
	t.share, t.canary = c.share, c.primary
	return simulate(t, standard(rate), runs)
}

// check compares with what is declared, allowing for the luck of so many runs.
func (c healthyCell) check(o outcome) error {
	if o.upper() > atMostDeclared*declared {
		return fmt.Errorf("%s: %d of %d rolled back, so up to %.2f %% may be; declared are %.0f %%", c.name, len(o.seconds), o.runs, 100*o.upper(), 100*declared)
	}
	return nil
}

// broken are rollouts of releases that are bad from their first request, and slow no more often than the primary.
var broken = []brokenCell{
	{"5 rps, 0.1 % bad, canary 1 %", 0, traffic{rps: 5, share: 0.05, primary: 0.001, canary: 0.01}},
	{"5 rps, 0.1 % bad, canary 5 %", 320, traffic{rps: 5, share: 0.05, primary: 0.001, canary: 0.05}},
	{"5 rps, 0.1 % bad, canary 20 %", 75, traffic{rps: 5, share: 0.05, primary: 0.001, canary: 0.2}},
	{"50 rps, 0.1 % bad, canary 1 %", 225, traffic{rps: 50, share: 0.05, primary: 0.001, canary: 0.01}},
	{"50 rps, 0.1 % bad, canary 5 %", 30, traffic{rps: 50, share: 0.05, primary: 0.001, canary: 0.05}},
	{"50 rps, 0.1 % bad, canary 20 %", 10, traffic{rps: 50, share: 0.05, primary: 0.001, canary: 0.2}},
	{"500 rps, 0.1 % bad, canary 1 %", 30, traffic{rps: 500, share: 0.05, primary: 0.001, canary: 0.01}},
	{"500 rps, 0.1 % bad, canary 5 %", 5, traffic{rps: 500, share: 0.05, primary: 0.001, canary: 0.05}},
	{"500 rps, 0.1 % bad, canary 20 %", 5, traffic{rps: 500, share: 0.05, primary: 0.001, canary: 0.2}},
	{"50 rps, 0.1 % bad, canary 5 %", 8, traffic{rps: 50, share: 0.5, primary: 0.001, canary: 0.05}},
	{"5 rps, 0.1 % bad, canary 20 %", 22, traffic{rps: 5, share: 0.5, primary: 0.001, canary: 0.2}},
	{"bursts of variance 1, 50 rps, 1 % bad, canary 5 %", 125, traffic{rps: 50, share: 0.1, primary: 0.01, canary: 0.05, burst: 1}},
	{"bursts of variance 5, 50 rps, 1 % bad, canary 5 %", 270, traffic{rps: 50, share: 0.1, primary: 0.01, canary: 0.05, burst: 5}},
	{"bursts of variance 1, 50 rps, 1 % bad, canary 10 %", 35, traffic{rps: 50, share: 0.1, primary: 0.01, canary: 0.1, burst: 1}},
	{"bursts of variance 5, 50 rps, 1 % bad, canary 10 %", 60, traffic{rps: 50, share: 0.1, primary: 0.01, canary: 0.1, burst: 5}},
	{"no traffic on the primary, 50 rps, canary 5 %", 0, traffic{rps: 50, share: 1, canary: 0.05}},
	{"all requests fail after 5 minutes, 100 rps", 0, traffic{rps: 100, share: 0.5, primary: 0.001, canary: 1, breaksAt: 300}},
	{"a fifth fails after 5 minutes, 50 rps", 0, traffic{rps: 50, share: 0.5, primary: 0.001, canary: 0.2, breaksAt: 300}},
	{"a twentieth fails after 5 minutes, 500 rps", 0, traffic{rps: 500, share: 0.05, primary: 0.001, canary: 0.05, breaksAt: 300}},
}

// brokenCell is one row of the table of detection delays.
type brokenCell struct {
	name string
	// aim is the median of the delay, in seconds, that a plain mixture test reaches on the error rate alone, reading every
	// five seconds; 0 where there is none to compare with.
	aim int
	traffic
}

func (c brokenCell) run(rate float64, runs int) outcome {
	return simulate(c.traffic, standard(rate), runs)
}

// check compares the delay of a share of the rollouts, the median for a half, with the aim.
func (c brokenCell) check(o outcome, share float64) error {
	if median := o.percentile(share); c.aim > 0 && (median == 0 || float64(median) > atMostAim*float64(c.aim)) {
		return fmt.Errorf("%s: the median delay is %s s; the aim is %d", c.name, orNever(median), c.aim)
	}
	return nil
}

const (
	// atMostDeclared bounds the 95 % upper bound of the rate of false rollbacks, in declared rates.
	atMostDeclared = 1.2
	// atMostAim bounds the median of the delay, in aims.
	atMostAim = 1.5
)
