package v1beta1

import "math"

// Number is a JSON number. Flagger's CRDs admit fractions where its code wants integers, so the fraction is kept
// here and judged by the rulebook.
// +kubebuilder:validation:Type=number
type Number float64

// Int is the number without its fraction. Beyond the range of int it is the nearest int.
func (n Number) Int() int {
	f := math.Trunc(float64(n))
	switch {
	case f >= math.MaxInt:
		return math.MaxInt
	case f <= math.MinInt:
		return math.MinInt
	}
	return int(f)
}

// IsWhole says whether the number has no fraction.
func (n Number) IsWhole() bool {
	return float64(n) == math.Trunc(float64(n))
}

// IntOr is the number without its fraction, or absent if there is no number.
func (n *Number) IntOr(absent int) int {
	if n == nil {
		return absent
	}
	return n.Int()
}
