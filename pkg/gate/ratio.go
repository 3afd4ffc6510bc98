package gate

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// ratios are how many times as often the canary may fail as what it is compared with: the rivals among which the
// evidence decides. Few are enough: what lies between two of them, the nearer one explains nearly as well.
var ratios = [...]float64{tolerated, 2.5, 10, 64}

// tolerated is the ratio that still counts as no worse: what two halves of one healthy version differ by now and then,
// because their pods, connections and routes are not quite the same.
const tolerated = 1.25

// The hypotheses that are tested against, as the number of the ratios up to which the canary may be: as good as what it is
// compared with, or at most tolerated times as bad.
const (
	asGood        = 0
	asBadAsToBear = 1
)

// likelihood holds for each of ratios the logarithm of how much better it explains what was counted than the ratio 1.
type likelihood [len(ratios)]float64

// compared is the likelihood of what both versions counted, given how many bad requests they had together.
//
// Under the ratio r each of these bad requests is the canary's with the probability q = r*nc / (r*nc + np), whatever the
// rate of failure was: a common outage, a busy hour and a weight that changes cancel out (M. Lindon and A. Malek,
// Anytime-Valid Inference for Multinomial Count Data, NeurIPS 2022, arXiv 2011.03567; R. J. Turner and P. D. Grünwald,
// Exact Anytime-valid Confidence Intervals for Contingency Tables and Beyond, 2023, arXiv 2302.11401).
func compared(canary, primary Counts) (l likelihood) {
	if canary.Bad == 0 && primary.Bad == 0 {
		return l // nothing was bad, and nothing is said
	}
	all := canary.Requests + primary.Requests
	for i, r := range ratios {
		expected := math.Log(all / (r*canary.Requests + primary.Requests))
		l[i] = canary.Bad*(math.Log(r)+expected) + primary.Bad*expected
	}
	return l
}

// held is the likelihood of what the canary counted against the share of bad requests that its objective allows, whose
// odds each of ratios multiplies.
func held(canary Counts, allowed float64) (l likelihood) {
	for i, r := range ratios {
		l[i] = canary.Bad*math.Log(r) - canary.Requests*math.Log1p((r-1)*allowed)
	}
	return l
}

// plus adds what was counted elsewhere.
func (l likelihood) plus(m likelihood) likelihood {
	for i := range l {
		l[i] += m[i]
	}
	return l
}

// over is the likelihood of the i-th ratio over a hypothesis.
func (l likelihood) over(hypothesis, i int) float64 {
	if hypothesis == asGood {
		return l[i]
	}
	return l[i] - l[hypothesis-1]
}

// course is a likelihood that grows with the ticks.
type course struct {
	// Now is all that was counted, Lowest by how far each ratio had fallen behind each hypothesis at most.
	Now    likelihood
	Lowest [2]likelihood
}

// note takes in where the likelihood is now.
func (c *course) note(now likelihood) {
	c.Now = now
	for h := range c.Lowest {
		for i := range now {
			c.Lowest[h][i] = min(c.Lowest[h][i], now.over(h, i))
		}
	}
}

// A release may be broken from its first request, or break later, after long having looked well. Part of the evidence is
// for the former; the rest is spread over all ticks from which it may be broken, more thinly the later they are.
const (
	fromStart = 0.85
	halfLife  = 600 // ticks in which half of the rest is spent
)

// against is the logarithm of the evidence against a hypothesis after so many ticks: the mean of the likelihood ratios of the
// ratios above it, since the start and since each ratio looked worst. Each of these is a martingale or sinks if the
// hypothesis holds, and so does their weighted mean, so by Ville's inequality it ever reaches 1/a, at whatever moment one
// looks, with a probability of at most a (for the mean over starting points: J. Shin, A. Ramdas and A. Rinaldo,
// E-detectors, 2022, arXiv 2203.03532). dispersion divides the logarithms: counts that scatter so many times more than
// Poisson's carry so much less.
func (c course) against(hypothesis int, dispersion, ticks float64) float64 {
	since := math.Log((1 - fromStart) * halfLife / ((halfLife + ticks) * (halfLife + ticks)))
	terms := make([]float64, 0, 2*len(ratios))
	for i := hypothesis; i < len(ratios); i++ {
		now := c.Now.over(hypothesis, i)
		terms = append(terms, math.Log(fromStart)+now/dispersion, since+(now-c.Lowest[hypothesis][i])/dispersion)
	}
	return floats.LogSumExp(terms) - math.Log(float64(len(ratios)-hypothesis))
}

// most is the largest number of bad requests of the canary, up to bad, with which say tells at most limit against either
// hypothesis, but one at least. Fewer bad requests speak less for every ratio, so counting at most so many keeps the
// evidence honest.
func most(bad, limit float64, say func(bad float64) likelihood) float64 {
	if bad <= 1 {
		return bad
	}
	none, one := say(0), say(1)
	for i := range ratios {
		for _, base := range []float64{0, 1} { // against the ratio 1, and against tolerated, the first of them
			start, slope := none[i]-base*none[0], one[i]-none[i]-base*(one[0]-none[0])
			if slope > 0 {
				bad = min(bad, max(1, (limit-start)/slope)) // what is told is linear in the number
			}
		}
	}
	return bad
}
