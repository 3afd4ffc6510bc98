//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestPeopleDriveTheDemo types the commands of people at the running demo: doctor finds it healthy, a pause is seen and ends,
// what cannot be done is refused, and a gate is moved through a port-forward to the load tester.
func TestPeopleDriveTheDemo(t *testing.T) {
	must(t, demo())
	ctx := testContext(t, 5*time.Minute)
	sluice := plugin(t, ctx)

	text, err := sluice("doctor")
	if err != nil {
		t.Errorf("doctor: %v\n%s", err, text)
	}
	_, err = sluice("pause", "podinfo", "-n", "demo")
	must(t, err)
	text, err = sluice("status", "podinfo", "-n", "demo", "-o", "json")
	must(t, err)
	var view struct {
		Phase     string `json:"phase"`
		Suspended bool   `json:"suspended"`
	}
	must(t, json.Unmarshal([]byte(text), &view))
	if !view.Suspended {
		t.Errorf("a paused Canary: %s", text)
	}
	_, err = sluice("resume", "podinfo", "-n", "demo")
	must(t, err)
	if view.Phase == "Initialized" || view.Phase == "Succeeded" {
		if _, err := sluice("promote", "podinfo", "-n", "demo"); err == nil || !strings.Contains(err.Error(), "no rollout runs") {
			t.Errorf("a promotion of nothing: %v", err)
		}
	}

	const add = `[{"op": "add", "path": "/spec/analysis/webhooks/0", "value": {"name": "people", "type": "confirm-promotion", "url": "http://flagger-loadtester.demo/gate/check"}}]`
	_, err = cluster.Run(ctx, "-n", "demo", "patch", "canary", "podinfo", "--type", "json", "-p", add)
	must(t, err)
	t.Cleanup(func() {
		const remove = `[{"op": "test", "path": "/spec/analysis/webhooks/0/name", "value": "people"}, {"op": "remove", "path": "/spec/analysis/webhooks/0"}]`
		if _, err := cluster.Run(context.WithoutCancel(ctx), "-n", "demo", "patch", "canary", "podinfo", "--type", "json", "-p", remove); err != nil {
			t.Error(err)
		}
	})
	for _, verb := range []string{"open", "close"} {
		if _, err := sluice("gate", verb, "podinfo", "-n", "demo"); err != nil {
			t.Errorf("gate %s: %v", verb, err)
		}
	}
	// The load tester takes nothing from somebody else's pod who has not signed it.
	out, err := cluster.Run(ctx, "-n", "demo", "exec", "deploy/flagger-loadtester", "-c", "loadtester", "--", "bash", "-c",
		`curl -s -o /dev/null -w '%{http_code}' -d '{"name": "podinfo", "namespace": "demo"}' http://$(hostname -i | cut -d' ' -f1):9090/gate/open`)
	must(t, err)
	if strings.TrimSpace(out) == "202" {
		t.Error("a request that nobody signed, and that does not come over the loopback interface, opened the gate")
	}
}
