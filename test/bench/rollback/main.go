// Command rollback measures on a real cluster how long users get errors from a release that begins to fail: from the first
// failing request until no caller's Envoy sends another one there. The same release is looked after by Sluice with the
// continuous judge, and by an unmodified Flagger with a Prometheus, at its fastest and at the setting of its tutorial.
//
//	go run ./test/bench/rollback                         20 releases for each, a table at the end (make bench-rollback)
//	go run ./test/bench/rollback -runs 5 -arms sluice    a part of it
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

func main() {
	runs := flag.Int("runs", 20, "releases for each setting")
	only := flag.String("arms", "", "names of the settings to measure, with commas; all if empty")
	keep := flag.Bool("keep", false, "leave the cluster running")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, *runs, *only, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "rollback:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, runs int, only string, keep bool) (err error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	if !keep {
		defer func() { _ = walkthrough.Down(context.WithoutCancel(ctx), root, os.Stderr) }()
	}
	cluster, err := walkthrough.Own(ctx, root, os.Stderr)
	if err != nil {
		return err
	}
	if err := cluster.Images(ctx, "probe", "flagger", "prometheus"); err != nil {
		return err
	}
	if err := cluster.Install(ctx); err != nil {
		return err
	}
	fmt.Println(header)
	for _, a := range arms {
		if only != "" && !strings.Contains(","+only+",", ","+a.name+",") {
			continue
		}
		r, err := a.measure(ctx, cluster, runs)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		fmt.Println(r.row())
	}
	return nil
}
