package main

import (
	"context"
	_ "embed" // the manifest
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/tally"
	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

//go:embed release.yaml
var releaseManifest string

// firstWeight is that of the first step, in percent; the second and last one is 90.
const firstWeight = 80

// clients are the callers, each with an Envoy of its own.
var clients = []string{"client-1", "client-2"}

// release is one canary that begins to fail, in a namespace and a mesh of its own.
type release struct {
	arm
	cluster   *walkthrough.Cluster
	namespace string
	// failAfter is the request at which it begins.
	failAfter int
	seen      outcome
}

// setUp applies everything and waits until the first version serves.
func (r *release) setUp(ctx context.Context) error {
	var manifest strings.Builder
	if err := template.Must(template.New("").Parse(releaseManifest)).Execute(&manifest, map[string]any{
		"Namespace": r.namespace, "Clients": clients, "Interval": r.interval, "Threshold": r.threshold, "Window": r.window,
		"Gate": r.gate, "Weight": firstWeight,
	}); err != nil {
		return err
	}
	if err := walkthrough.Eventually(ctx, time.Minute, "apply", func(ctx context.Context) error {
		_, err := r.cluster.Apply(ctx, manifest.String())
		return err
	}); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"wait", "canary/web", "--for=condition=promoted", "--timeout=300s"},
		{"rollout", "status", "deployment/client-1", "--timeout=120s"},
		{"rollout", "status", "deployment/client-2", "--timeout=120s"},
	} {
		if _, err := r.cluster.Run(ctx, append([]string{"-n", r.namespace}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// run releases the version that fails, under load, and waits until it is rolled back.
func (r *release) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	var finish []func() (*tally.Tally, error)
	for _, client := range clients {
		f, err := r.load(ctx, client)
		if err != nil {
			return err
		}
		finish = append(finish, f)
	}
	began := time.Now()
	w := r.cluster.Watch(ctx, r.namespace, "web", nil)
	patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/template/spec/containers/0/args","value":["serve","--linger","5s","--name","v2","--fail-after","%d","http:8080"]}]`, r.failAfter)
	if _, err := r.cluster.Run(ctx, "-n", r.namespace, "patch", "deployment/web", "--type=json", "-p", patch); err != nil {
		return err
	}
	end, err := w.Until(ctx, began, "the rollback", walkthrough.InPhase("Failed", "Succeeded"))
	if err != nil {
		return err
	}
	time.Sleep(5 * time.Second) // whatever still reaches the canary is to be seen
	var seen []*tally.Tally
	for _, f := range finish {
		t, err := f()
		if err != nil {
			return err
		}
		seen = append(seen, t)
	}
	r.seen, err = judge(seen, w.States())
	r.seen.promoted = end.Phase == "Succeeded"
	return err
}

// load asks from inside a client's pod until it is told to finish.
func (r *release) load(ctx context.Context, client string) (finish func() (*tally.Tally, error), err error) {
	rate := max(r.rate*100/firstWeight/len(clients), 1)
	cmd := r.cluster.Command(ctx, "-n", r.namespace, "exec", "-i", "deployment/"+client, "-c", "app", "--",
		"/probe", "ask", "--until-eof", "--times", "--rate", fmt.Sprint(rate), "http://web:8080/")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() (*tally.Tally, error) {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			return nil, fmt.Errorf("%s: %w", client, err)
		}
		seen := &tally.Tally{}
		return seen, json.Unmarshal([]byte(out.String()), seen)
	}, nil
}

// remove deletes everything. A mesh goes last: it stays as long as it has members.
func (r *release) remove(ctx context.Context) error {
	var failed error
	for _, args := range [][]string{
		{"-n", r.namespace, "delete", "canary/web", "--wait=false", "--ignore-not-found"},
		{"-n", r.namespace, "delete", "virtualservices,virtualrouters,virtualnodes", "--all", "--wait=false"},
		{"delete", "namespace/" + r.namespace, "--wait=false", "--ignore-not-found"},
	} {
		_, err := r.cluster.Run(ctx, args...)
		failed = errors.Join(failed, err)
	}
	return errors.Join(failed, walkthrough.Eventually(ctx, time.Minute, "remove the mesh", func(ctx context.Context) error {
		_, err := r.cluster.Run(ctx, "delete", "meshes.appmesh.k8s.aws/"+r.namespace, "--ignore-not-found", "--wait=false")
		return err
	}))
}
