package canary

import (
	"fmt"
	"strings"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/gate"
)

// sides are what each side of the requests to the target counts during every check's window, in a script:
//
//	own=90/2            the pods count 90 requests, 2 of which failed; own=unreachable: they cannot be read
//	callers=100/12/3    their callers count 100, 12 of which failed, and besides 3 that were given up
//
// From the first of these on the success rate is made of them, as the shell makes it.
type sides struct {
	own, callers gate.Counters
	blind        bool
}

// set changes a side. It is false for other settings.
func (s *sides) set(key, value string) (bool, error) {
	var side *gate.Counters
	switch key {
	case "own":
		if s.blind = value == "unreachable"; s.blind {
			s.own = gate.Counters{}
			return true, nil
		}
		side = &s.own
	case "callers":
		side = &s.callers
	default:
		return false, nil
	}
	*side = gate.Counters{}
	numbers := []*uint64{&side.Requests, &side.Class[5], &side.Abandoned}
	for i, number := range strings.Split(value, "/") {
		if _, err := fmt.Sscan(number, numbers[i]); err != nil {
			return true, fmt.Errorf("%s=%s: %w", key, value, err)
		}
	}
	return true, nil
}

// measured is the success rate that follows.
func (s *sides) measured() Measurement {
	history := func(c gate.Counters) *gate.History {
		var h gate.History
		h.Add(gate.Sample{Pod: "pod", Epoch: "1", At: epoch})
		h.Add(gate.Sample{Pod: "pod", Epoch: "1", At: epoch.Add(time.Minute), Counters: c})
		return &h
	}
	own, unreachable := history(s.own), []string(nil)
	if s.blind {
		own, unreachable = &gate.History{}, []string{"podinfo-1"}
	}
	m, _ := Measure(canaryv1beta1.MetricRequestSuccessRate, gate.BothSides(own, history(s.callers), epoch, epoch.Add(time.Minute)), unreachable)
	return m
}
