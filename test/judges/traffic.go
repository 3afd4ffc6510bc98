package main

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/sluice-mesh/sluice/pkg/gate"
)

// traffic is what a service and its callers are like.
type traffic struct {
	// rps is how many requests per second reach both versions, share what the canary gets of them, 0 to 1.
	rps, share float64
	// steps is a rollout that climbs instead of staying at share: a tenth more every two minutes, up to a half.
	steps bool
	// primary and canary are the shares of bad requests.
	primary, canary float64
	// breaksAt is the second from which the canary is worse; before that it is like the primary.
	breaksAt int
	// burst is the variance of the factor, of mean 1, by which the rate of bad requests of each version differs from its
	// mean, anew every burstSeconds and for each version by itself.
	burst float64
	// batch is the mean size of the batches in which requests arrive and succeed or fail together.
	batch float64
	// diurnal makes traffic and the rate of bad requests swing with a period of ten minutes: tenfold and threefold.
	diurnal bool
	// outages makes a third of both versions' requests bad in one minute of every five.
	outages bool
}

// burstSeconds is how long a burst lasts.
const burstSeconds = 5

// source draws the ticks of one rollout. Errors and slow requests are drawn alike and independently.
type source struct {
	traffic
	rng    *rand.Rand
	second int
	// factors are the current bursts: of canary and primary, for errors and slow requests.
	factors [2][2]float64
}

func newSource(t traffic, run uint64) *source {
	return &source{traffic: t, rng: rand.New(rand.NewPCG(seed, run))}
}

// next is the tick of the next second.
func (s *source) next() gate.Tick {
	if s.second%burstSeconds == 0 {
		for i := range s.factors {
			for j := range s.factors[i] {
				s.factors[i][j] = s.factor()
			}
		}
	}
	rps, swing, extra := s.rps, 1.0, 0.0
	if s.diurnal {
		wave := math.Sin(2 * math.Pi * float64(s.second) / 600)
		rps *= math.Pow(10, wave/2)
		swing = math.Pow(3, -wave/2)
	}
	if s.outages && s.second%300 >= 240 {
		extra = 1.0 / 3
	}
	share := s.share
	if s.steps {
		share = min(0.5, 0.1*float64(1+s.second/120))
	}
	canary := s.canary
	if s.second < s.breaksAt {
		canary = s.primary
	}
	s.second++
	return gate.Tick{
		Canary:  s.arm(rps*share, canary*swing, s.primary*swing, extra, s.factors[0]),
		Primary: s.arm(rps*(1-share), s.primary*swing, s.primary*swing, extra, s.factors[1]),
	}
}

// factor is gamma distributed: mean 1 and the variance that was asked for.
func (s *source) factor() float64 {
	if s.burst == 0 {
		return 1
	}
	return distuv.Gamma{Alpha: 1 / s.burst, Beta: 1 / s.burst, Src: s.rng}.Rand()
}

// arm draws what one version counts in a second.
func (s *source) arm(rps, bad, late, extra float64, factors [2]float64) gate.Arm {
	var requests, failed, slow float64
	if s.batch <= 1 {
		requests = s.poisson(rps)
		failed, slow = s.binomial(requests, bad*factors[0]+extra), s.binomial(requests, late*factors[1]+extra)
	} else {
		for range int(s.poisson(rps / s.batch)) {
			size := math.Floor(math.Log(1-s.rng.Float64())/math.Log1p(-1/s.batch)) + 1 // geometric, of mean batch
			requests += size
			failed += size * s.binomial(1, bad+extra)
			slow += size * s.binomial(1, late+extra)
		}
	}
	return gate.Arm{Window: gate.Window{
		Requests: uint64(requests), Failures: uint64(failed),
		Latency: []gate.Bucket{{UpperMS: slowMS, Count: uint64(requests - slow)}, {UpperMS: math.Inf(1), Count: uint64(requests)}},
	}}
}

func (s *source) poisson(mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	return distuv.Poisson{Lambda: mean, Src: s.rng}.Rand()
}

func (s *source) binomial(n, p float64) float64 {
	switch p = min(p, 1); {
	case n == 0 || p <= 0:
		return 0
	case n*p < 5 && n > 20:
		return min(n, s.poisson(-n*math.Log1p(-p))) // as good as equal, and several times cheaper
	}
	return distuv.Binomial{N: n, P: p, Src: s.rng}.Rand()
}
