package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-mesh/sluice/test/e2e/partners"
	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// arm is one way to look after the release.
type arm struct {
	name, title string
	// flagger says who does it: an unmodified Flagger, or Sluice.
	flagger bool
	// interval, threshold and window are those of the Canary's analysis and of its metric; gate is what only Sluice knows.
	interval, window time.Duration
	threshold        int
	gate             string
	// rate is how many requests a second the canary gets at its first weight.
	rate int
	// together is how many releases run at a time.
	together int
}

var arms = []arm{
	{
		name: "sluice", title: "Sluice, continuous judge",
		interval: 10 * time.Second, window: 10 * time.Second, threshold: 5, gate: "{mode: Continuous}", rate: 50, together: 5,
	},
	{
		name: "flagger-fastest", title: "Flagger, fastest: interval 10s, threshold 1, window 10s",
		flagger: true, interval: 10 * time.Second, window: 10 * time.Second, threshold: 1, rate: 50, together: 5,
	},
	{
		// Flagger looks at rates, so that fewer requests change nothing for it, and all releases can run at a time.
		name: "flagger-tutorial", title: "Flagger, tutorial: interval 1m, threshold 5, window 1m",
		flagger: true, interval: time.Minute, window: time.Minute, threshold: 5, rate: 5, together: 20,
	},
}

// scrapeInterval is that of the Prometheus in Flagger's tutorial for App Mesh.
const scrapeInterval = 5 * time.Second

// flaggers is the namespace of Flagger and its Prometheus.
const flaggers = "rollback-flagger"

// measure runs the releases, some at a time: all of those are set up first, so that only releases run while one is measured.
func (a arm) measure(ctx context.Context, c *walkthrough.Cluster, runs int) (result, error) {
	remove, err := a.install(ctx, c)
	if err != nil {
		return result{}, err
	}
	defer remove()
	r := result{arm: a}
	for len(r.runs) < runs {
		var batch []*release
		for i := len(r.runs); i < min(runs, len(r.runs)+a.together); i++ {
			batch = append(batch, &release{arm: a, cluster: c, namespace: fmt.Sprintf("%s-%02d", a.name, i), failAfter: a.onset(i, runs)})
		}
		err := r.add(ctx, batch)
		if err := errors.Join(err, each(context.WithoutCancel(ctx), batch, (*release).remove)); err != nil {
			return r, err
		}
	}
	return r, nil
}

// add sets up a batch of releases and measures them.
func (r *result) add(ctx context.Context, batch []*release) error {
	if err := each(ctx, batch, (*release).setUp); err != nil {
		return err
	}
	before := readLoad()
	if err := each(ctx, batch, (*release).run); err != nil {
		return err
	}
	r.busy = append(r.busy, busy(before, readLoad()))
	for _, one := range batch {
		r.runs = append(r.runs, one.seen)
		fmt.Fprintf(os.Stderr, "%s: %s\n", one.namespace, one.seen)
	}
	return nil
}

// onset is the number of the request at which the canary of run i of all begins to fail: spread evenly over the interval, from a second
// after it got its first request on.
func (a arm) onset(i, runs int) int {
	first, last := time.Second, a.interval
	return int((first + (last-first)*time.Duration(i)/time.Duration(runs)).Seconds() * float64(a.rate))
}

// install brings up whoever looks after the releases, and takes the other one down, since both would act on the same Canaries.
func (a arm) install(ctx context.Context, c *walkthrough.Cluster) (remove func(), err error) {
	if !a.flagger {
		return func() {}, nil
	}
	scale := func(ctx context.Context, replicas int) error {
		_, err := c.Run(ctx, "-n", "sluice-system", "scale", "deployment/sluice-canary", fmt.Sprintf("--replicas=%d", replicas))
		return err
	}
	scraping, stop := context.WithCancel(ctx)
	remove = func() {
		stop()
		ctx := context.WithoutCancel(ctx)
		_, _ = c.Run(ctx, "delete", "clusterrole/flagger", "clusterrolebinding/flagger", "namespace/"+flaggers, "--ignore-not-found", "--timeout=60s")
		_ = scale(ctx, 1)
	}
	if err := scale(ctx, 0); err != nil {
		return remove, err
	}
	manifest := "{apiVersion: v1, kind: Namespace, metadata: {name: " + flaggers + "}}\n---\n" + partners.Prometheus(scrapeInterval) + "\n---\n" + partners.Flagger(flaggers, "")
	if _, err := c.Apply(ctx, manifest, "-n", flaggers); err != nil {
		return remove, err
	}
	for _, name := range []string{"prometheus", "flagger"} {
		if _, err := c.Run(ctx, "-n", flaggers, "rollout", "status", "deployment/"+name, "--timeout=120s"); err != nil {
			return remove, err
		}
	}
	return remove, partners.Scrape(scraping, c, partners.Scraping{Namespace: flaggers, Prometheus: "prometheus", Pods: []string{"-A", "-l", "judged=yes"}})
}

// each does one thing for all releases of a batch at the same time.
func each(ctx context.Context, batch []*release, do func(*release, context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, one := range batch {
		group.Go(func() error {
			if err := do(one, ctx); err != nil {
				return fmt.Errorf("%s: %w", one.namespace, err)
			}
			return nil
		})
	}
	return group.Wait()
}
