package mesh

import (
	"testing"
	"time"
)

func TestDebounce(t *testing.T) {
	start := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		// at are the milliseconds of the changes; want is the wait after the last.
		at   []int
		want int
	}{
		"a single change waits for the quiet period":        {[]int{0}, 20},
		"every change starts the quiet period again":        {[]int{0, 15, 30}, 20},
		"the wait shrinks towards the ceiling":              {[]int{0, 100, 195}, 5},
		"at the ceiling there is no wait":                   {[]int{0, 200}, 0},
		"a change that was noticed late does not wait more": {[]int{0, 500}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := debounce{quiet: 20 * time.Millisecond, ceiling: 200 * time.Millisecond}
			var got time.Duration
			for _, ms := range c.at {
				got = d.hit(start.Add(time.Duration(ms) * time.Millisecond))
			}
			if want := time.Duration(c.want) * time.Millisecond; got != want {
				t.Errorf("wait %v, want %v", got, want)
			}
			d.reset()
			if got := d.hit(start.Add(time.Hour)); got != d.quiet {
				t.Errorf("after the burst: wait %v, want %v", got, d.quiet)
			}
		})
	}
}
