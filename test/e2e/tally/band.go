package tally

import "gonum.org/v1/gonum/stat/distuv"

// Band is the range that holds a binomial count with probability 99.9 %.
func Band(n int, share float64) (low, high int) {
	switch {
	case share <= 0:
		return 0, 0
	case share >= 1:
		return n, n
	}
	b := distuv.Binomial{N: float64(n), P: share}
	const tail = 0.0005
	low = -1
	for k := 0; k <= n; k++ {
		p := b.CDF(float64(k))
		if low < 0 && p > tail {
			low = k
		}
		if p >= 1-tail {
			return low, k
		}
	}
	return max(low, 0), n
}
