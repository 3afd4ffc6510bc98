//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// TestAdmissionsGoOn asks for pods and virtual nodes all the time, while the webhook is updated and while certificates that
// live for a minute are replaced, again and again, with their authority. Nothing is refused, and nothing misses its proxy.
func TestAdmissionsGoOn(t *testing.T) {
	inFull(t)
	ctx := testContext(t, 15*time.Minute)
	crowd(t, ctx)
	t.Run("while the webhook is updated", func(t *testing.T) {
		asked := startAsking(t, ctx)
		must(t, kubectl(ctx, "-n", "sluice-system", "rollout", "restart", "deployment/sluice-webhook"))
		must(t, kubectl(ctx, "-n", "sluice-system", "rollout", "status", "deployment/sluice-webhook", "--timeout=120s"))
		time.Sleep(10 * time.Second) // the last of the old ones serves on for some seconds, and then ends
		asked.stop(t)
	})
	t.Run("while certificates are replaced", func(t *testing.T) { replaceCertificates(t, ctx) })
}

// Lives of an authority and of a certificate, and the time between two steps of a rotation: one begins after 40 s.
const shortLives = `[
  {"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--authority-life=60s"},
  {"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--certificate-life=60s"},
  {"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--rotation-pause=5s"}]`

func replaceCertificates(t *testing.T, ctx context.Context) {
	t.Cleanup(func() { // what mesh and canary have in their files is outdated, too
		ctx := context.Background()
		must(t, kubectl(ctx, "delete", "namespace", "sluice-system", "--timeout=120s"))
		must(t, cluster.Install(ctx))
	})
	asked := startAsking(t, ctx)
	must(t, kubectl(ctx, "-n", "sluice-system", "patch", "deployment", "sluice-webhook", "--type", "json", "-p", shortLives))
	must(t, kubectl(ctx, "-n", "sluice-system", "rollout", "status", "deployment/sluice-webhook", "--timeout=120s"))
	// The authority that is there lives for years.
	must(t, kubectl(ctx, "-n", "sluice-system", "annotate", "secret", "sluice-ca", "sluice.dev/rotate=now"))

	const rotations = 4
	authorities, ends := map[string]bool{}, map[string]map[float64]bool{}
	must(t, walkthrough.Eventually(ctx, 6*time.Minute, "the authority was replaced several times", func(ctx context.Context) error {
		authority, err := cluster.Run(ctx, "-n", "sluice-system", "get", "secret", "sluice-ca", "-o", `jsonpath={.data.tls\.crt}`)
		if err != nil {
			return err
		}
		authorities[authority] = true
		replicas, err := webhookMetrics(ctx)
		if err != nil {
			return err
		}
		for name, m := range replicas {
			if ends[name] == nil {
				ends[name] = map[float64]bool{}
			}
			ends[name][m.total("sluice_webhook_certificate_expiry_timestamp_seconds", "secret", "sluice-webhook-tls")] = true
		}
		if len(authorities) <= rotations {
			return fmt.Errorf("%d authorities so far", len(authorities))
		}
		return nil
	}))
	asked.stop(t)
	running, err := webhookMetrics(ctx)
	must(t, err)
	for name := range running {
		t.Logf("%s served %d certificates under %d authorities", name, len(ends[name]), len(authorities))
		if len(ends[name]) < rotations {
			t.Errorf("%s served %d certificates, want at least %d", name, len(ends[name]), rotations)
		}
	}
}

// asking is a series of requests that create nothing, and what was wrong with the answers.
type asking struct {
	end     context.CancelFunc
	workers sync.WaitGroup

	mu      sync.Mutex
	answers int
	slowest time.Duration
	wrong   map[string]int
}

// startAsking asks for a pod and a virtual node, 40 times a second together.
func startAsking(t *testing.T, ctx context.Context) *asking {
	t.Helper()
	ctx, end := context.WithCancel(ctx)
	a := &asking{end: end, wrong: map[string]int{}}
	api := apiClient(t)
	for range 4 {
		a.workers.Go(func() {
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil {
				a.once(func() error { return askForPod(api) })
				a.once(func() error { return askForNode(api) })
				<-tick.C
			}
		})
	}
	t.Cleanup(func() { end(); a.workers.Wait() })
	return a
}

func (a *asking) once(ask func() error) {
	began := time.Now()
	err := ask()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers++
	a.slowest = max(a.slowest, time.Since(began))
	if err != nil {
		a.wrong[err.Error()]++
	}
}

// stop ends the series and wants every answer to be right.
func (a *asking) stop(t *testing.T) {
	t.Helper()
	a.end()
	a.workers.Wait()
	t.Logf("%d answers, the slowest after %s", a.answers, a.slowest.Round(time.Millisecond))
	for what, n := range maps.All(a.wrong) {
		t.Errorf("%d times: %s", n, what)
	}
	if a.answers < 500 {
		t.Errorf("%d answers prove little", a.answers)
	}
}

// askForPod ignores the test's context, so that the last request is answered, too.
func askForPod(api client.Client) error {
	pod := onePod()
	if err := api.Create(context.Background(), pod, client.DryRunAll); err != nil {
		return fmt.Errorf("a pod is refused: %w", err)
	}
	if !injected(pod) {
		return fmt.Errorf("a pod misses its proxy")
	}
	return nil
}

// askForNode meets two more of the webhooks: one completes the object, one judges it.
func askForNode(api client.Client) error {
	node := &unstructured.Unstructured{}
	node.SetAPIVersion("appmesh.k8s.aws/v1beta2")
	node.SetKind("VirtualNode")
	node.SetNamespace("crowd")
	node.SetName("two")
	_ = unstructured.SetNestedStringMap(node.Object, map[string]string{"app": "two"}, "spec", "podSelector", "matchLabels")
	if err := api.Create(context.Background(), node, client.DryRunAll); err != nil {
		return fmt.Errorf("a virtual node is refused: %w", err)
	}
	if name, _, _ := unstructured.NestedString(node.Object, "spec", "awsName"); name != "two_crowd" {
		return fmt.Errorf("a virtual node has awsName %q", name)
	}
	return nil
}
