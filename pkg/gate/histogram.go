package gate

import "sort"

// countAt is the cumulative count at a bound. Between two bounds the lower one speaks: requests whose place is unknown
// count as slow, so merging histograms of different Envoys never makes a release look faster.
func countAt(h []Bucket, upper float64) uint64 {
	i := sort.Search(len(h), func(i int) bool { return h[i].UpperMS > upper })
	if i == 0 {
		return 0
	}
	return h[i-1].Count
}

// sub gives what was added to a histogram since an earlier reading of the same process.
func sub(now, before []Bucket) []Bucket {
	out := make([]Bucket, len(now))
	for i, b := range now {
		was := countAt(before, b.UpperMS)
		out[i] = Bucket{UpperMS: b.UpperMS, Count: b.Count - min(was, b.Count)}
	}
	return out
}

// add merges two histograms over the union of their bounds.
func add(a, b []Bucket) []Bucket {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]Bucket, 0, max(len(a), len(b)))
	for i, j := 0, 0; i < len(a) || j < len(b); {
		var upper float64
		switch {
		case j == len(b) || i < len(a) && a[i].UpperMS <= b[j].UpperMS:
			upper = a[i].UpperMS
		default:
			upper = b[j].UpperMS
		}
		for i < len(a) && a[i].UpperMS <= upper {
			i++
		}
		for j < len(b) && b[j].UpperMS <= upper {
			j++
		}
		out = append(out, Bucket{UpperMS: upper, Count: countAt(a, upper) + countAt(b, upper)})
	}
	return out
}
