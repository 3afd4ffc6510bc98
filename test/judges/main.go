// Command judges simulates rollouts in front of the continuous judge (pkg/gate) and prints how often it rolls back healthy
// releases and how long it takes for broken ones:
//
//	go run ./test/judges                       10,000 rollouts per row, some minutes
//	go run ./test/judges -o docs/judges.md     the same, into the page (make judges)
//	go run ./test/judges -seed 7               with other luck: the bounds hold for any
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

func main() {
	runs := flag.Int("runs", 10000, "rollouts per row")
	only := flag.String("only", "", "a part of the names of the rows to simulate; all if empty")
	flag.Uint64Var(&seed, "seed", usualSeed, "where the random numbers begin")
	into := flag.String("o", "", "page to put the tables into, between its marks")
	flag.Parse()
	if err := run(*runs, *only, *into); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(runs int, only, into string) error {
	var tables strings.Builder
	out := io.Writer(os.Stdout)
	if into != "" {
		out = io.MultiWriter(os.Stdout, &tables)
	}
	err := write(out, runs, only)
	if into == "" || err != nil {
		return err
	}
	page, err := os.ReadFile(into)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no %s ... %s", into, begin, end)
	}
	if err := os.WriteFile(into, []byte(before+begin+"\n"+tables.String()+end+after), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// begin and end mark the tables in the page.
const (
	begin = "<!-- what go run ./test/judges prints -->"
	end   = "<!-- end -->"
)

// write prints both tables. A row that misses its bound is an error, told after all rows.
func write(w io.Writer, runs int, only string) error {
	var missed []string
	fmt.Fprintf(w, "False rollbacks of healthy releases within %d minutes, %d rollouts per row, declared %.0f %%:\n\n", rolloutSeconds/60, runs, 100*declared)
	fmt.Fprintln(w, "| traffic | canary gets | rolled back | at most, 95 % |\n|---|---|---|---|")
	for _, c := range healthy {
		if !strings.Contains(c.name, only) {
			continue
		}
		o := c.run(declared, runs)
		share := "10 to 50 %"
		if c.share > 0 {
			share = fmt.Sprintf("%.0f %%", 100*c.share)
		}
		fmt.Fprintf(w, "| %s | %s | %.2f %% | %.2f %% |\n", c.name, share, 100*o.rate(), 100*o.upper())
		if err := c.check(o); err != nil {
			missed = append(missed, err.Error())
		}
	}
	fmt.Fprintf(w, "\nSeconds until a broken release is rolled back, %d rollouts per row:\n\n", runs)
	fmt.Fprintln(w, "| traffic | canary gets | median | 95th percentile | caught in 20 minutes | aim |\n|---|---|---|---|---|---|")
	for _, c := range broken {
		if !strings.Contains(c.name, only) {
			continue
		}
		o := c.run(declared, runs)
		aim := ""
		if c.aim > 0 {
			aim = strconv.Itoa(c.aim)
		}
		fmt.Fprintf(w, "| %s | %.0f %% | %s | %s | %.0f %% | %s |\n", c.name, 100*c.share, orNever(o.percentile(0.5)), orNever(o.percentile(0.95)), 100*o.rate(), aim)
		if err := c.check(o, 0.5); err != nil {
			missed = append(missed, err.Error())
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("out of bounds:\n%s", strings.Join(missed, "\n"))
	}
	return nil
}

func orNever(second int) string {
	if second == 0 {
		return "-"
	}
	return strconv.Itoa(second)
}
