package walkthrough

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Names of the walk-through's objects, as in config/demo.
const (
	Namespace = "demo"
	App       = "podinfo"
	Good      = "3.1.1"
	Bad       = "3.1.2"
	First     = "3.1.0"
	image     = "ghcr.io/stefanprodan/podinfo:"
	logo      = "https://raw.githubusercontent.com/stefanprodan/podinfo/gh-pages/cuddle_clap.gif"
)

// Install applies config/default and waits until every process is ready.
func (c *Cluster) Install(ctx context.Context) error {
	there, err := c.Run(ctx, "get", "namespace", "sluice-system", "--ignore-not-found", "-o", "name")
	if err != nil {
		return err
	}
	if _, err = c.Run(ctx, "apply", "--server-side", "--force-conflicts", "-k", filepath.Join(c.Root, "config", "default")); err != nil {
		return err
	}
	if _, err := c.Run(ctx, "wait", "--for=condition=Established", "--timeout=60s", "crd", "-l", "app.kubernetes.io/part-of=sluice"); err != nil {
		return err
	}
	for _, d := range []string{"sluice-webhook", "sluice-mesh", "sluice-canary"} {
		if there != "" && c.newImages {
			if _, err := c.Run(ctx, "-n", "sluice-system", "rollout", "restart", "deploy/"+d); err != nil {
				return err
			}
		}
		if _, err := c.Run(ctx, "-n", "sluice-system", "rollout", "status", "deploy/"+d, "--timeout=180s"); err != nil {
			return err
		}
	}
	return nil
}

// Demo applies the walk-through's objects; fast takes the short intervals.
func (c *Cluster) Demo(ctx context.Context, fast bool) error {
	dir := "demo"
	if fast {
		dir = "demo-fast"
	}
	// The webhook may need a moment to be reachable after its pods are ready, so this is tried again.
	return Eventually(ctx, 60*time.Second, "apply config/"+dir, func(ctx context.Context) error {
		_, err := c.Run(ctx, "apply", "-k", filepath.Join(c.Root, "config", dir))
		return err
	})
}

// Initialized waits until the Canary looks after its target: a release before that would be its first version.
func (c *Cluster) Initialized(ctx context.Context) error {
	_, err := c.Run(ctx, "-n", Namespace, "wait", "canary/"+App, "--for=condition=promoted", "--timeout=180s")
	return err
}

// Reset removes a walk-through that ran before, so that this one starts from version 3.1.0.
func (c *Cluster) Reset(ctx context.Context) error {
	_, err := c.Run(ctx, "delete", "namespace", Namespace, "--ignore-not-found", "--timeout=120s")
	return err
}

// GatewayURL returns where the demo's gateway answers, once it has an address and serves the given version.
func (c *Cluster) GatewayURL(ctx context.Context, version string) (string, error) {
	var url string
	err := Eventually(ctx, 120*time.Second, "the gateway answers", func(ctx context.Context) error {
		host, err := c.Run(ctx, "-n", Namespace, "get", "svc/appmesh-gateway",
			"-o", "jsonpath={.status.loadBalancer.ingress[0].hostname}")
		if err != nil {
			return err
		}
		if host == "" {
			host, err = c.Run(ctx, "-n", Namespace, "get", "svc/appmesh-gateway",
				"-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
		}
		if host = strings.TrimSpace(host); err != nil || host == "" {
			return fmt.Errorf("service appmesh-gateway has no address yet")
		}
		url = "http://" + host + "/"
		got, failure := get(shortClient(), url)
		if failure != "" {
			return fmt.Errorf("%s", failure)
		}
		if got != version {
			return fmt.Errorf("the gateway serves %s, not %s", got, version)
		}
		return nil
	})
	return url, err
}

// Release sets the image of the app, as a user or a GitOps controller would.
func (c *Cluster) Release(ctx context.Context, version string) error {
	patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"podinfo","image":%q,"env":[{"name":"PODINFO_UI_LOGO","value":%q}]}]}}}}`,
		image+version, logo)
	_, err := c.Run(ctx, "-n", Namespace, "patch", "deployment", App, "--type=strategic", "-p", patch)
	return err
}

// Hurt sends failing and slow requests to the canary from inside the load tester for the given time, as the
// walk-through does with `kubectl exec`. It returns at once; the requests end by themselves or with ctx.
func (c *Cluster) Hurt(ctx context.Context, during time.Duration) <-chan error {
	script := fmt.Sprintf(`hey -z %[1]s -q 20 -c 2 -disable-keepalive http://podinfo-canary.demo:9898/status/500 >/dev/null &
hey -z %[1]s -q 2 -c 2 http://podinfo-canary.demo:9898/delay/1 >/dev/null &
wait`, during.Round(time.Second))
	done := make(chan error, 1)
	go func() {
		_, err := c.Run(ctx, "-n", Namespace, "exec", "deploy/flagger-loadtester", "-c", "loadtester", "--", "bash", "-c", script)
		done <- err
	}()
	return done
}
