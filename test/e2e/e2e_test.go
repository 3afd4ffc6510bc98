//go:build e2e

// Package e2e proves the walk-through from outside on a real cluster: kubectl, a plain client, and nothing that knows
// the insides of Sluice.
package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

var (
	cluster *walkthrough.Cluster
	gateway string
)

// TestMain brings up one cluster with Sluice in it. SLUICE_KEEP=1 leaves it running.
func TestMain(m *testing.M) {
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute) // the first time, all of it is built
	defer cancel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return 1, err
	}
	if os.Getenv("SLUICE_KEEP") == "" {
		defer func() {
			if err := walkthrough.Down(context.Background(), root, os.Stderr); err != nil {
				fmt.Fprintln(os.Stderr, "e2e:", err)
			}
		}()
	}
	before := traces()
	if cluster, err = walkthrough.Own(ctx, root, os.Stderr); err != nil {
		return 1, err
	}
	if err = cluster.Install(ctx); err != nil {
		return 1, err
	}
	code := m.Run()
	if code != 0 {
		cluster.Dump(context.Background(), os.Stderr)
	}
	if os.Getenv("SLUICE_KEEP") != "" {
		return code, nil
	}
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := walkthrough.Down(ctx, root, os.Stderr); err != nil {
		return 1, err
	}
	// What has ended stays in the process table until init takes notice, a second or so.
	return code, walkthrough.Eventually(ctx, 15*time.Second, "the machine is as it was", func(context.Context) error {
		if left := leftovers(before, traces()); len(left) > 0 {
			return fmt.Errorf("after `make cluster-down` this is left: %v", left)
		}
		return nil
	})
}

// demo is the walk-through's application, there for the tests that come to it.
var demo = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	for _, step := range []func(context.Context) error{cluster.Reset, func(ctx context.Context) error { return cluster.Demo(ctx, true) }, cluster.Initialized} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	var err error
	gateway, err = cluster.GatewayURL(ctx, walkthrough.First)
	return err
})

// testContext ends a little before the test binary's own limit would.
func testContext(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}
