//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// podView is what the tests read of a pod.
type podView struct {
	Metadata struct {
		Name              string
		DeletionTimestamp *time.Time
	}
	Status struct {
		Phase                                    string
		Conditions                               []struct{ Type, Status string }
		ContainerStatuses, InitContainerStatuses []containerView
	}
}

type containerView struct {
	Name    string
	Ready   bool
	Started *bool
	State   struct {
		Running    *struct{ StartedAt time.Time }
		Terminated *struct {
			ExitCode   int
			FinishedAt time.Time
		}
	}
}

func (p podView) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// waiting is a pod of the demo's mesh that does nothing; it is bound to the load tester's virtual node.
const waiting = `
apiVersion: v1
kind: Pod
metadata:
  name: waiting
  namespace: demo
  labels: {app: flagger-loadtester, part: waiting}
spec:
  terminationGracePeriodSeconds: 2
  containers:
    - name: app
      image: ghcr.io/sluice-mesh/sluice-loadtester:dev
      imagePullPolicy: IfNotPresent
      command: ["sleep", "600"]
`

// TestPodWaitsForMesh scales mesh to zero: a new pod must wait, its app unstarted, and be ready soon after its return.
func TestPodWaitsForMesh(t *testing.T) {
	must(t, demo())
	ctx := testContext(t, 5*time.Minute)
	must(t, kubectl(ctx, "-n", "sluice-system", "scale", "deploy/sluice-mesh", "--replicas=0"))
	must(t, kubectl(ctx, "-n", "sluice-system", "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=sluice-mesh", "--timeout=90s"))
	t.Cleanup(func() {
		ctx := context.Background()
		_ = kubectl(ctx, "-n", "sluice-system", "scale", "deploy/sluice-mesh", "--replicas=2")
		_ = kubectl(ctx, "-n", "demo", "delete", "pod", "waiting", "--ignore-not-found", "--wait=false")
		must(t, kubectl(ctx, "-n", "sluice-system", "rollout", "status", "deploy/sluice-mesh", "--timeout=120s"))
	})
	_, err := cluster.RunInput(ctx, waiting, "apply", "-f", "-")
	must(t, err)
	must(t, walkthrough.Eventually(ctx, time.Minute, "envoy runs in the new pod", func(ctx context.Context) error {
		p, err := pod(ctx, "waiting")
		if err != nil {
			return err
		}
		if s := p.Status.InitContainerStatuses; len(s) == 0 || s[0].Name != "envoy" || s[0].State.Running == nil {
			return fmt.Errorf("init containers: %+v", s)
		}
		return nil
	}))
	time.Sleep(20 * time.Second) // longer than Envoy's default patience of 15 s
	p, err := pod(ctx, "waiting")
	must(t, err)
	if started := p.Status.InitContainerStatuses[0].Started; started != nil && *started {
		t.Fatal("envoy's startup probe passed without a configuration")
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running != nil || c.State.Terminated != nil {
			t.Fatalf("container %s started before the mesh was there", c.Name)
		}
	}
	must(t, kubectl(ctx, "-n", "sluice-system", "scale", "deploy/sluice-mesh", "--replicas=1"))
	must(t, kubectl(ctx, "-n", "sluice-system", "rollout", "status", "deploy/sluice-mesh", "--timeout=60s"))
	back := time.Now()
	must(t, walkthrough.Eventually(ctx, 30*time.Second, "the pod is ready", func(ctx context.Context) error {
		if p, err = pod(ctx, "waiting"); err == nil && !p.ready() {
			err = fmt.Errorf("conditions: %+v", p.Status.Conditions)
		}
		return err
	}))
	took := time.Since(back)
	t.Logf("ready %s after mesh was back", took.Round(100*time.Millisecond))
	// Only where the machine is known to be quiet: a busy one says nothing about us.
	if os.Getenv("SLUICE_TIMED") != "" && took > 3*time.Second {
		t.Errorf("the pod was ready %s after the return of mesh, want 3 s at most", took.Round(100*time.Millisecond))
	}
}

func pod(ctx context.Context, name string) (podView, error) {
	var p podView
	err := cluster.Get(ctx, &p, "-n", walkthrough.Namespace, "pod", name)
	return p, err
}
