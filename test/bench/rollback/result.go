package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/tally"
	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// outcome is what one release did to its users. Times are from the first failing request on.
type outcome struct {
	// halt is when the first failed check was in the Canary's status, back when its phase was Failed, and gone when the
	// last request was sent that reached the canary: weight 0 is in force in every caller's Envoy.
	halt, back, gone time.Duration
	// failed counts what the canary answered with 500; other counts all that failed without it.
	failed, other int
	// others says what those were, and how many of each.
	others map[string]int
	// rose is when the weight rose nevertheless; zero if it did not.
	rose time.Duration
	// promoted says that it was not rolled back at all: all users get errors, until somebody comes.
	promoted bool
}

func (o outcome) String() string {
	return fmt.Sprintf("first halt %.2f s, phase Failed %.2f s, weight 0 at the callers %.2f s, %d requests failed, %d others %v, weight rose after %.2f s, promoted %t",
		o.halt.Seconds(), o.back.Seconds(), o.gone.Seconds(), o.failed, o.other, o.others, o.rose.Seconds(), o.promoted)
}

// judge puts together what the callers and the Canary's watcher saw. Both have the clock of one machine.
func judge(callers []*tally.Tally, states []walkthrough.State) (outcome, error) {
	const bad, canary = "status:500", "name:v2"
	o := outcome{others: map[string]int{}}
	var first, last time.Time
	for _, c := range callers {
		o.failed += c.Facets[bad]
		o.other += c.Requests - c.Facets["status:200"] - c.Facets[bad]
		for facet, n := range c.Facets {
			if strings.HasPrefix(facet, "error:") || strings.HasPrefix(facet, "status:") && facet != bad && facet != "status:200" {
				o.others[facet] += n
			}
		}
		if at := c.Spans[bad].First; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
		if at := c.Spans[canary].Last; at.After(last) {
			last = at
		}
	}
	if first.IsZero() {
		return o, fmt.Errorf("no request failed")
	}
	o.gone = last.Sub(first)
	weight, failed := 0, 0
	for _, s := range states {
		if s.At.Before(first) {
			weight, failed = s.Weight, s.Failed
			continue
		}
		if o.rose == 0 && s.Weight > weight {
			o.rose = s.At.Sub(first)
		}
		if o.halt == 0 && (s.Failed > failed || s.Phase == "Failed") {
			o.halt = s.At.Sub(first)
		}
		if s.Phase == "Failed" {
			o.back = s.At.Sub(first)
			break
		}
	}
	return o, nil
}

// result is what all releases of an arm did.
type result struct {
	arm  arm
	runs []outcome
	// busy is the share of the processors that was in use while each batch ran.
	busy []float64
}

const header = `| | runs | requests/s on the canary | first halt, median s | weight 0 in the callers' Envoys: min, median, p95, max s | failed requests, median | of others | weight rose afterwards | promoted | processors in use |
|---|---|---|---|---|---|---|---|---|---|`

func (r result) row() string {
	var halt, gone []float64
	var failed []float64
	others, rose, promoted, use := 0, 0, 0, 0.0
	for _, o := range r.runs {
		if o.promoted {
			promoted++
			continue
		}
		halt, gone, failed = append(halt, o.halt.Seconds()), append(gone, o.gone.Seconds()), append(failed, float64(o.failed))
		others += o.other
		if o.rose > 0 {
			rose++
		}
	}
	for _, b := range r.busy {
		use += b / float64(len(r.busy))
	}
	return fmt.Sprintf("| %s | %d | %d | %.1f | %.2f, %.2f, %.2f, %.2f | %.0f | %d | %d | %d | %.0f %% |", r.arm.title, len(r.runs), r.arm.rate, quantile(halt, 0.5),
		quantile(gone, 0), quantile(gone, 0.5), quantile(gone, 0.95), quantile(gone, 1), quantile(failed, 0.5), others, rose, promoted, 100*use)
}

// quantile is the smallest value that the share q of all values do not exceed.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// load is what the processors did since the machine started, in the kernel's units of time.
type load struct{ idle, all float64 }

// readLoad reads the first line of /proc/stat: user, nice, system, idle, waiting for disks, and more.
func readLoad() load {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return load{}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var l load
	for i, field := range strings.Fields(line)[1:] {
		var n float64
		if _, err := fmt.Sscan(field, &n); err != nil || i > 7 { // the rest is part of user and nice
			continue
		}
		l.all += n
		if i == 3 || i == 4 {
			l.idle += n
		}
	}
	return l
}

func busy(before, after load) float64 {
	if after.all == before.all {
		return 0
	}
	return 1 - (after.idle-before.idle)/(after.all-before.all)
}
