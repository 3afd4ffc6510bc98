package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// quick is how many healthy rollouts a row has in the tests, slow how many broken ones; the page has more of all.
const (
	quick = 100
	slow  = 1000
	// nearly is the share of so few that has to be as fast as the median of all.
	nearly = 0.45
)

// few tells whether so many of quick rollouts are compatible with the declared rate.
func few(o outcome) bool { return o.rate() <= 4*declared }

// hard are the rows that test most: the noisiest, and those in which little time is allowed.
func hard() (h []healthyCell, b []brokenCell) {
	for _, c := range healthy {
		if c.burst == 5 || c.batch > 5 || c.outages {
			h = append(h, c)
		}
	}
	for _, c := range broken {
		if c.aim > 0 && c.aim < 50 {
			b = append(b, c)
		}
	}
	return h, b
}

// TestQuickly plays the hard rows with fewer rollouts. The seed is fixed, so it does not depend on luck.
func TestQuickly(t *testing.T) {
	healthy, broken := hard()
	for _, c := range healthy {
		if o := c.run(declared, quick); !few(o) {
			t.Errorf("%s: %d of %d healthy releases were rolled back", c.name, len(o.seconds), o.runs)
		}
	}
	for _, c := range broken {
		if err := c.check(c.run(declared, slow), nearly); err != nil {
			t.Error(err)
		}
	}
}

// TestABoundThatIsMovedIsNoticed plays the same with a judge whose limit was changed: each of the bounds then fails.
func TestABoundThatIsMovedIsNoticed(t *testing.T) {
	healthy, broken := hard()
	rows := 0
	for _, c := range healthy {
		if c.burst == 5 && !few(c.run(0.4, quick)) {
			rows++
		}
	}
	if rows == 0 {
		t.Error("a limit that is too low rolls back no more healthy releases")
	}
	rows = 0
	for _, c := range broken {
		if c.check(c.run(declared/100, slow), nearly) != nil {
			rows++
		}
	}
	if rows == 0 {
		t.Error("a limit that is too high takes no longer")
	}
}

// TestThePageIsOfTheseRows holds that docs/judges.md has the rows as they are, within their bounds.
func TestThePageIsOfTheseRows(t *testing.T) {
	page, err := os.ReadFile("../../docs/judges.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), begin)
	tables, _, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("the page has no %s ... %s", begin, end)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(tables) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		rows[strings.TrimPrefix(cells[0], "| ")+"|"+fmt.Sprint(len(cells))+"|"+cells[min(1, len(cells)-1)]] = cells
	}
	for _, c := range healthy {
		share := "10 to 50 %"
		if c.share > 0 {
			share = fmt.Sprintf("%.0f %%", 100*c.share)
		}
		var upper float64
		row := rows[c.name+"|4|"+share]
		if row == nil {
			t.Errorf("no row for %s, %s: make judges", c.name, share)
		} else if _, err := fmt.Sscan(row[3], &upper); err != nil || upper > 100*atMostDeclared*declared {
			t.Errorf("%s: %v %v", c.name, row, err)
		}
	}
	for _, c := range broken {
		var median int
		row := rows[fmt.Sprintf("%s|6|%.0f %%", c.name, 100*c.share)]
		if row == nil {
			t.Errorf("no row for %s: make judges", c.name)
		} else if _, err := fmt.Sscan(row[2], &median); c.aim > 0 && (err != nil || float64(median) > atMostAim*float64(c.aim)) {
			t.Errorf("%s: %v %v", c.name, row, err)
		}
	}
}
