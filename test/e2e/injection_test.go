//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// TestInjection plays testdata/injection/*.txtar: what pods with a proxy do from their start to their end.
func TestInjection(t *testing.T) {
	inFull(t)
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe"))
	files, err := filepath.Glob("testdata/injection/*.txtar")
	must(t, err)
	play(t, files, map[string]verb{
		"ended":            (*stage).ended,          // ended JOB: its pod is through, and so is every container in it
		"ask-from-outside": (*stage).askFromOutside, // ask-from-outside [FLAGS] URL [want FACET...]: from outside the cluster
	})
}

// inFull skips what takes minutes, unless everything is wanted.
func inFull(t *testing.T) {
	t.Helper()
	if os.Getenv("SLUICE_MESH") != "all" {
		t.Skip("takes minutes: make e2e")
	}
}

// askFromOutside runs the probe's client on this machine, which is no part of the cluster's network.
func (s *stage) askFromOutside(args []string) (string, error) {
	probe := s.ts.MkAbs("probe")
	build := exec.CommandContext(s.ctx, "go", "build", "-o", probe, "./probe") // nothing, if it is there
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the probe: %w: %s", err, out)
	}
	args, wants := splitWants(args)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(s.ctx, probe, append([]string{"ask"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, &stderr)
	}
	return s.compare(string(out), wants)
}

// ended notes how long the proxy outlived the work, which is what a Job is charged for having one.
func (s *stage) ended(args []string) (string, error) {
	if len(args) != 1 {
		return "", errors.New("write: ended JOB")
	}
	return "", walkthrough.Eventually(s.ctx, time.Minute, "job "+args[0]+" is through", func(ctx context.Context) error {
		var pods struct{ Items []podView }
		if err := cluster.Get(ctx, &pods, "-n", s.name, "pods", "-l", "job-name="+args[0]); err != nil {
			return err
		}
		if len(pods.Items) != 1 {
			return fmt.Errorf("%d pods", len(pods.Items))
		}
		p := pods.Items[0].Status
		if p.Phase != "Succeeded" {
			return fmt.Errorf("the pod is %s: %+v %+v", p.Phase, p.ContainerStatuses, p.InitContainerStatuses)
		}
		for _, c := range append(p.InitContainerStatuses, p.ContainerStatuses...) {
			if end := c.State.Terminated; end == nil || end.ExitCode != 0 {
				return fmt.Errorf("container %s: %+v", c.Name, end)
			}
		}
		work, proxy := p.ContainerStatuses[0].State.Terminated, p.InitContainerStatuses[0].State.Terminated
		s.note("job %s: the proxy ended %s after the work", args[0], proxy.FinishedAt.Sub(work.FinishedAt))
		return nil
	})
}
