//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// TestRelease plays testdata/release/*.txtar: ways to release on the real cluster, while a client in the mesh asks all the
// time. It sees no failure that the canary itself did not return.
func TestRelease(t *testing.T) {
	inFull(t)
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe", "prometheus"))
	files, err := filepath.Glob("testdata/release/*.txtar")
	must(t, err)
	play(t, files, map[string]verb{
		"target":  (*stage).target,  // target KIND/NAME VERSION [--replicas N]: the probe, as what a Canary releases
		"release": (*stage).release, // release KIND/NAME VERSION [FLAGS]: another version of it; FLAGS are the server's
		"phase":   (*stage).phase,   // phase CANARY PHASE: waits until it is there
		"gate":    (*stage).gate,    // gate open|close NAME: that of a Canary "web", in the load tester of that name
		"die":     (*stage).die,     // die: the release process, without a word
		"follow":  (*stage).follow,  // follow CANARY PHASE CLIENT URL VERSION WEIGHT...: shares at these weights, until the phase
		"partner": (*stage).partner, // partner prometheus|flagger
		"scrape":  (*stage).scrape,  // scrape PROMETHEUS: keep the Deployment told of every pod's Envoy
		"happens": (*stage).happens, // happens CANARY TEXT: waits for an event of the Canary
	})
}

var targetManifest = template.Must(template.New("target").Parse(`
apiVersion: apps/v1
kind: {{.Kind}}
metadata: {name: {{.Name}}, labels: {app: {{.Name}}}}
spec:
{{- if eq .Kind "DaemonSet"}}
  updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}} # or, with one node, there is none meanwhile
{{- else}}
  replicas: {{.Replicas}}
{{- end}}
  selector: {matchLabels: {app: {{.Name}}}}
  template:
    metadata: {labels: {app: {{.Name}}}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
        - name: app
          image: ghcr.io/sluice-mesh/probe:dev
          imagePullPolicy: IfNotPresent
          args: {{.Args}}
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8099}, periodSeconds: 1}
          resources: {requests: {cpu: 5m, memory: 16Mi}}
`))

func (s *stage) target(args []string) (string, error) {
	const usage = "write: target KIND/NAME VERSION [--replicas N]"
	if len(args) < 2 {
		return "", errors.New(usage)
	}
	kind, name, _ := strings.Cut(args[0], "/")
	flags := flag.NewFlagSet("target", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	replicas := flags.Int("replicas", 1, "")
	if err := flags.Parse(args[2:]); err != nil {
		return "", fmt.Errorf("%s: %w", usage, err)
	}
	server, err := serverArgs(args[1], nil)
	if err != nil {
		return "", err
	}
	return s.render(targetManifest, map[string]any{"Kind": kind, "Name": name, "Args": server, "Replicas": *replicas})
}

// serverArgs are those of the probe, as JSON. A port among the flags takes the place of the usual one.
func serverArgs(version string, flags []string) (string, error) {
	args := append([]string{"serve", "--linger", "5s", "--name", version}, flags...)
	if !strings.Contains(strings.Join(flags, " "), ":") {
		args = append(args, "http:8080")
	}
	text, err := json.Marshal(args)
	return string(text), err
}

func (s *stage) release(args []string) (string, error) {
	if len(args) < 2 {
		return "", errors.New("write: release KIND/NAME VERSION [FLAGS]")
	}
	server, err := serverArgs(args[1], args[2:])
	if err != nil {
		return "", err
	}
	patch := `[{"op":"replace","path":"/spec/template/spec/containers/0/args","value":` + server + `}]`
	return s.kubectl([]string{"patch", strings.ToLower(args[0]), "--type", "json", "-p", patch})
}

// phase sees phases that last for a moment, too, as long as they begin after the line does.
func (s *stage) phase(args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("write: phase CANARY PHASE")
	}
	ctx, cancel := context.WithTimeout(s.ctx, 4*time.Minute)
	defer cancel()
	end, err := cluster.Watch(ctx, s.name, args[0], nil).Until(ctx, time.Time{}, "phase "+args[1], walkthrough.InPhase(args[1]))
	return fmt.Sprintf("%s: %s\n", end.Phase, end.Why), err
}

// gatePaths are where the load testers of a script's gates.yaml are asked.
var gatePaths = map[string]string{"start": "9001/gate", "climb": "9002/gate", "end": "9003/gate", "back": "9004/rollback"}

func (s *stage) gate(args []string) (string, error) {
	if len(args) != 2 || gatePaths[args[1]] == "" {
		return "", errors.New("write: gate open|close start|climb|end|back")
	}
	canary := fmt.Sprintf(`{"name":"web","namespace":%q}`, s.name)
	return s.kubectl([]string{"exec", "deployment/gates", "-c", args[1], "--", "curl", "-sSf", "-d", canary, "http://localhost:" + gatePaths[args[1]] + "/" + args[0]})
}

func (s *stage) die([]string) (string, error) {
	return cluster.Run(s.ctx, "-n", "sluice-system", "delete", "pods", "-l", "app.kubernetes.io/name=sluice-canary", "--force", "--grace-period=0")
}

func (s *stage) happens(args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("write: happens CANARY TEXT")
	}
	return "", walkthrough.Eventually(s.ctx, 2*time.Minute, args[1], func(ctx context.Context) error {
		out, err := cluster.Run(ctx, "-n", s.name, "get", "events", "--field-selector", "involvedObject.kind=Canary,involvedObject.name="+args[0], "-o", `jsonpath={range .items[*]}{.message}{"\n"}{end}`)
		if err == nil && !strings.Contains(out, args[1]) {
			err = fmt.Errorf("so far:\n%s", out)
		}
		return err
	})
}
