package envoy

import (
	"sync/atomic"
	"time"
)

// round is one publish on its way: it ends when the last proxy that it changed has judged it, or left.
type round struct {
	began time.Time
	done  func(time.Duration)
	// open counts those who have not, and the publisher until it has told all; joined all who ever did.
	open, joined atomic.Int64
}

// newRound begins a round; the publisher leaves it when it has told everybody.
func newRound(began time.Time, done func(time.Duration)) *round {
	r := &round{began: began, done: done}
	r.open.Store(1)
	return r
}

func (r *round) join() {
	r.open.Add(1)
	r.joined.Add(1)
}

func (r *round) leave() {
	if r.open.Add(-1) == 0 && r.joined.Load() > 0 {
		r.done(time.Since(r.began))
	}
}

// owedRound is a round that waits for a proxy to get to an edition.
type owedRound struct {
	edition *edition
	round   *round
}

// leaveRounds leaves the rounds whose editions are over.
func (f *feed) leaveRounds(over func(*edition) bool) {
	for len(f.rounds) > 0 && over(f.rounds[0].edition) {
		f.rounds[0].round.leave()
		f.rounds = f.rounds[1:]
	}
}

// judged tells that the proxy has taken or refused all that an edition holds and it asks for.
func (f *feed) judged(e *edition) bool {
	if len(f.lines) == 0 {
		return false
	}
	for _, l := range f.lines {
		if l.taken == nil || l.taken.number < e.number {
			return false
		}
	}
	return true
}
