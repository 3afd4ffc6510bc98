package gate

import "math"

// Bad requests come in bursts: a node hiccups, a dependency is slow for ten seconds, a client sends its requests in one
// batch. Then counts scatter more than Poisson's, and evidence that takes them for Poisson's rolls back healthy releases.
// The dispersion is how many times more. It is measured on pairs of neighbouring blocks of ticks of one version: of the bad
// requests of both, each block should have its share of the requests, and by how much it does not is compared with what a
// binomial distribution gives. A pair knows nothing of the rate, so a busy hour, a rate that drifts and a release that is
// steadily broken add nothing; bursts do, because blocks of several lengths are looked at. (D. W. Allan's variance,
// Statistics of Atomic Frequency Standards, Proc. IEEE 54, 1966, for counts.)

// blocks are the lengths, in ticks, of the blocks.
var blocks = [...]int{1, 4, 16, 64}

// Dispersion measures how bad requests scatter. The zero value is ready.
type Dispersion [len(blocks)]Scatter

// Scatter is what the pairs of blocks of one length have shown, of both versions.
type Scatter struct {
	// Found is the sum of the squared deviations, Expected what it would be for Poisson's counts.
	Found, Expected float64
	// Primary and Canary are the variances that Found would have if the counts were Poisson's, of the pairs of each.
	Primary, Canary float64
}

// pairs are the blocks of one version that are being counted.
type pairs [len(blocks)]struct {
	ticks int
	block [2]Counts
}

// add takes in what one version counted in a tick, and gives every pair that it completes.
func (p *pairs) add(c Counts, found func(length int, s Scatter, variance float64)) {
	for i, length := range blocks {
		open := &p[i]
		open.block[open.ticks/length].add(c)
		if open.ticks++; open.ticks == 2*length {
			s, variance := scatter(open.block[0], open.block[1])
			found(i, s, variance)
			open.ticks, open.block = 0, [2]Counts{}
		}
	}
}

// scatter is what one pair shows.
func scatter(a, b Counts) (s Scatter, variance float64) {
	bad := a.Bad + b.Bad
	if bad == 0 || a.Requests == 0 || b.Requests == 0 {
		return s, 0
	}
	share := a.Requests / (a.Requests + b.Requests)
	off := a.Bad - share*bad
	return Scatter{Found: off * off / (share * (1 - share)), Expected: bad}, 2 * bad * (bad - 1)
}

// A burst of the canary looks like a release that breaks this moment, until it ends. So only the shorter of blocks learn
// from the canary, and no pair more than a factor: a real failure is not for long taken for noise.
const (
	canaryBlocks = 2
	canaryFactor = 10
)

// add takes in what each version counted in a tick.
func (d *Dispersion) add(open *[2]pairs, primary, canary Counts) {
	open[0].add(primary, func(i int, s Scatter, variance float64) {
		d[i].Found, d[i].Expected, d[i].Primary = d[i].Found+s.Found, d[i].Expected+s.Expected, d[i].Primary+variance
	})
	open[1].add(canary, func(i int, s Scatter, variance float64) {
		if i < canaryBlocks {
			s.Found = min(s.Found, canaryFactor*s.Expected)
			d[i].Found, d[i].Expected, d[i].Canary = d[i].Found+s.Found, d[i].Expected+s.Expected, d[i].Canary+variance
		}
	})
}

// caution is by how many standard deviations the dispersion is taken for more than was found, for each of blocks. A burst
// may just not have come yet to the primary. What the canary shows beyond, and what few long blocks do, is mostly noise.
var (
	cautionPrimary = [len(blocks)]float64{2, 2, -1, -1}
	cautionCanary  = [len(blocks)]float64{-0.5, -0.5, -0.5, -0.5}
)

// enoughSeen is the number of bad requests that weigh as much as the assumption that they are Poisson's.
const enoughSeen = 5

// factor is the dispersion: 1 for Poisson's counts, more for bursts.
func (d *Dispersion) factor() float64 {
	largest := 1.0
	for i, s := range d {
		excess := s.Found - s.Expected + cautionPrimary[i]*math.Sqrt(s.Primary) + cautionCanary[i]*math.Sqrt(s.Canary)
		largest = max(largest, 1+excess/(s.Expected+enoughSeen))
	}
	return largest
}
