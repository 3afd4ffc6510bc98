// Package tally counts what a client saw of many requests, and compares the counts with what was promised: facets and
// expectations in, a sentence per broken promise out.
package tally

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Tally holds how many answers had each facet, such as "status:200" or "name:blue". Every answer has several.
type Tally struct {
	Requests int            `json:"requests"`
	Facets   map[string]int `json:"facets"`
	// Fastest and Slowest answers, in milliseconds.
	Fastest int `json:"fastest"`
	Slowest int `json:"slowest"`
	// Spans holds for each facet when its first and its last request were sent, once Time has been called.
	Spans map[string]Span `json:"spans,omitempty"`

	mu sync.Mutex
}

// Add counts one answer. It may be called from several goroutines.
func (t *Tally) Add(milliseconds int, facets ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Facets == nil {
		t.Facets = map[string]int{}
	}
	if t.Requests == 0 || milliseconds < t.Fastest {
		t.Fastest = milliseconds
	}
	t.Slowest = max(t.Slowest, milliseconds)
	t.Requests++
	for _, facet := range facets {
		t.Facets[facet]++
	}
}

// Span is the time between two requests.
type Span struct{ First, Last time.Time }

// Time notes when a request was sent whose answer had these facets. It may be called from several goroutines, in any order.
func (t *Tally) Time(sent time.Time, facets ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Spans == nil {
		t.Spans = map[string]Span{}
	}
	for _, facet := range facets {
		span, seen := t.Spans[facet]
		if !seen || sent.Before(span.First) {
			span.First = sent
		}
		if sent.After(span.Last) {
			span.Last = sent
		}
		t.Spans[facet] = span
	}
}

// String is the tally as the probe prints it, in one line.
func (t *Tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	line, err := json.Marshal(t)
	if err != nil {
		return err.Error()
	}
	return string(line)
}

// Check compares the tally with expectations, all of them:
//
//	name:blue=80%    the count lies in the 99.9 % band of that share of all requests
//	status:200=10    the count is this
//	status:503>0     the count is above; < likewise
//	slowest<2000     the slowest answer, in milliseconds; fastest and requests likewise
//	status:200=all   every answer has the facet
func (t *Tally) Check(wants ...string) error {
	var broken []error
	for _, want := range wants {
		broken = append(broken, t.check(want))
	}
	if err := errors.Join(broken...); err != nil {
		return fmt.Errorf("%w\nseen: %s", err, t.seen())
	}
	return nil
}

func (t *Tally) check(want string) error {
	at := strings.LastIndexAny(want, "=<>")
	if at < 1 || at == len(want)-1 {
		return fmt.Errorf("%q is no expectation: write FACET=COUNT, FACET=SHARE%%, FACET>COUNT or FACET<COUNT", want)
	}
	facet, relation, value := want[:at], want[at], want[at+1:]
	got := t.count(facet)
	low, high, err := t.bounds(relation, value)
	if err != nil {
		return fmt.Errorf("%q is no expectation: %w", want, err)
	}
	if got < low || got > high {
		return fmt.Errorf("want %s, got %d of %d requests%s", want, got, t.Requests, band(value, low, high))
	}
	return nil
}

// bounds are the smallest and the largest count that fulfil the expectation.
func (t *Tally) bounds(relation byte, value string) (low, high int, err error) {
	const endless = int(^uint(0) >> 1)
	if share, ok := strings.CutSuffix(value, "%"); ok && relation == '=' {
		percent, err := strconv.ParseFloat(share, 64)
		if err != nil {
			return 0, 0, err
		}
		low, high = Band(t.Requests, percent/100)
		return low, high, nil
	}
	if value == "all" && relation == '=' {
		return max(t.Requests, 1), t.Requests, nil
	}
	n, err := strconv.Atoi(value)
	switch {
	case err != nil:
		return 0, 0, err
	case relation == '<':
		return 0, n - 1, nil
	case relation == '>':
		return n + 1, endless, nil
	}
	return n, n, nil
}

func band(value string, low, high int) string {
	if strings.HasSuffix(value, "%") {
		return fmt.Sprintf(" (band %d to %d)", low, high)
	}
	return ""
}

func (t *Tally) count(facet string) int {
	switch facet {
	case "requests":
		return t.Requests
	case "slowest":
		return t.Slowest
	case "fastest":
		return t.Fastest
	}
	return t.Facets[facet]
}

// Shares tells the count of every facet that has an expected share, with the band, for the test's log.
func (t *Tally) Shares(wants ...string) []string {
	var out []string
	for _, want := range wants {
		facet, value, ok := strings.Cut(want, "=")
		if !ok || !strings.HasSuffix(value, "%") {
			continue
		}
		if low, high, err := t.bounds('=', value); err == nil {
			out = append(out, fmt.Sprintf("%s: %d of %d, promised %s (band %d to %d)", facet, t.count(facet), t.Requests, value, low, high))
		}
	}
	return out
}

func (t *Tally) seen() string {
	var out []string
	for _, facet := range slices.Sorted(maps.Keys(t.Facets)) {
		out = append(out, fmt.Sprintf("%s=%d", facet, t.Facets[facet]))
	}
	return fmt.Sprintf("requests=%d fastest=%d slowest=%d %s", t.Requests, t.Fastest, t.Slowest, strings.Join(out, " "))
}
