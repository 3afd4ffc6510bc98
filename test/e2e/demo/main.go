// Command demo runs the README's walk-through and tells what happens as it happens.
// It exits 0 only when it saw the promotion of the good release and the rollback of the bad one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

const usage = `Runs the walk-through: a cluster, Sluice, podinfo %s, then a good release (%s) and a bad one (%s).

  go run ./test/e2e/demo [--fast] [--use-cluster] [--rate N]

Without --use-cluster it starts a cluster of its own (see test/cluster) and leaves it running.

`

type options struct {
	fast, useCluster bool
	rate             int
}

func main() {
	var o options
	flag.BoolVar(&o.fast, "fast", false, "short intervals: a check every 3 s instead of every 10 s")
	flag.BoolVar(&o.useCluster, "use-cluster", false, "use the cluster of your kubeconfig; the images must be pullable there")
	flag.IntVar(&o.rate, "rate", 60, "requests a second that the client outside the cluster sends through the gateway")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), usage, walkthrough.First, walkthrough.Good, walkthrough.Bad)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 || o.rate < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		if errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "Stopped. What was started is still there: `make cluster-down` takes it down.")
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	root, err := checkout()
	if err != nil {
		return err
	}
	n := &narrator{out: os.Stdout, began: time.Now()}
	c, err := bringUp(ctx, n, root, o)
	if err != nil {
		return err
	}
	url, err := deploy(ctx, n, c, o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	load, _ := walkthrough.StartLoad(ctx, url, o.rate)
	n.load = load
	w := c.Watch(ctx, walkthrough.Namespace, walkthrough.App, n.state)
	c.Log(ctx, n.message)

	if err := good(ctx, n, c, w, load); err != nil {
		return err
	}
	if err := bad(ctx, n, c, w, load); err != nil {
		return err
	}
	n.farewell(c, url)
	return nil
}

// checkout finds the repository from wherever `go run` was started in it.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "config", "demo", "canary.yaml")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("config/demo is not here: run `make demo` in a clone of the repository")
		}
	}
}

func bringUp(ctx context.Context, n *narrator, root string, o options) (*walkthrough.Cluster, error) {
	if o.useCluster {
		n.chapter("Your cluster")
		return walkthrough.Existing(root, os.Stderr)
	}
	n.chapter("A real Kubernetes, and our images in it")
	return walkthrough.Own(ctx, root, os.Stderr)
}

func deploy(ctx context.Context, n *narrator, c *walkthrough.Cluster, o options) (string, error) {
	n.chapter("Sluice: kubectl apply -k config/default")
	if err := c.Install(ctx); err != nil {
		return "", err
	}
	dir := map[bool]string{false: "config/demo", true: "config/demo-fast"}[o.fast]
	n.chapter("The app, its HPA, its Canary, a gateway: kubectl apply -k " + dir)
	if err := c.Reset(ctx); err != nil {
		return "", err
	}
	if err := c.Demo(ctx, o.fast); err != nil {
		return "", err
	}
	watched, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	w := c.Watch(watched, walkthrough.Namespace, walkthrough.App, n.state)
	c.Log(watched, n.message)
	if _, err := w.Until(watched, time.Time{}, "the canary to be initialized", walkthrough.InPhase("Initialized", "Succeeded")); err != nil {
		return "", err
	}
	url, err := c.GatewayURL(ctx, walkthrough.First)
	if err == nil {
		n.say("The gateway answers at %s with version %s.", url, walkthrough.First)
	}
	return url, err
}

func good(ctx context.Context, n *narrator, c *walkthrough.Cluster, w *walkthrough.Watcher, load *walkthrough.Load) error {
	n.chapter("A good release: the image becomes " + walkthrough.Good)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if err := c.Release(ctx, walkthrough.Good); err != nil {
		return err
	}
	started, err := w.Until(ctx, began, "the analysis to begin", walkthrough.InPhase("Progressing"))
	if err != nil {
		return err
	}
	end, err := w.Until(ctx, started.At, "the promotion", walkthrough.InPhase("Succeeded", "Failed"))
	if err != nil {
		return err
	}
	if end.Phase != "Succeeded" {
		return fmt.Errorf("the good release was rolled back: %s", end.Why)
	}
	if err := served(load, walkthrough.Good); err != nil {
		return err
	}
	n.say("Promoted after %s: %s", time.Since(began).Round(time.Second), verdict(load.Between(began, time.Now())))
	return nil
}

func bad(ctx context.Context, n *narrator, c *walkthrough.Cluster, w *walkthrough.Watcher, load *walkthrough.Load) error {
	n.chapter("A bad release: the image becomes " + walkthrough.Bad + ", and it starts to fail")
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	if err := c.Release(ctx, walkthrough.Bad); err != nil {
		return err
	}
	started, err := w.Until(ctx, began, "the first step", func(s walkthrough.State) bool { return s.Phase == "Progressing" && s.Weight > 0 })
	if err != nil {
		return err
	}
	n.say("Now hey sends /status/500 and /delay/1 to podinfo-canary.demo:9898, from inside the load tester.")
	hurt, stop := context.WithCancel(ctx)
	defer stop()
	c.Hurt(hurt, 4*time.Minute)
	end, err := w.Until(ctx, started.At, "the rollback", walkthrough.InPhase("Failed", "Succeeded"))
	if err != nil {
		return err
	}
	if end.Phase != "Failed" || end.Weight != 0 {
		return fmt.Errorf("the bad release was not rolled back: phase %s, weight %d", end.Phase, end.Weight)
	}
	if err := served(load, walkthrough.Good); err != nil {
		return err
	}
	n.say("Rolled back after %s: %s", time.Since(began).Round(time.Second), verdict(load.Between(began, time.Now())))
	return nil
}

// served waits for two seconds of answers and wants them all from one version.
func served(load *walkthrough.Load, version string) error {
	time.Sleep(time.Second)
	from := time.Now()
	time.Sleep(2 * time.Second)
	got := load.Between(from, time.Now().Add(-100*time.Millisecond))
	if n := got.Of(version); n == 0 || n < len(got) {
		return fmt.Errorf("only %d of %d answers are from version %s at the end", n, len(got), version)
	}
	return nil
}

// verdict says how the client outside fared.
func verdict(as walkthrough.Answers) string {
	failed := as.Failures()
	text := fmt.Sprintf("the client sent %d requests meanwhile, %d failed.", len(as), len(failed))
	if len(failed) > 0 {
		text += " The first failure: " + failed[0].Err
	}
	return text
}
