//go:build e2e

package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"
)

func (s *stage) mesh(args []string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("write: mesh ALLOW_ALL, or mesh DROP_ALL")
	}
	return s.render(meshManifest, map[string]string{"Name": s.name, "Egress": args[0]})
}

var meshManifest = template.Must(template.New("mesh").Parse(`
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: {{.Name}}}
spec:
  namespaceSelector: {matchLabels: {mesh: {{.Name}}}}
  egressFilter: {type: {{.Egress}}}
---
apiVersion: v1
kind: Namespace
metadata:
  name: {{.Name}}
  labels: {mesh: {{.Name}}, appmesh.k8s.aws/sidecarInjectorWebhook: enabled}
`))

// application is the probe as a Deployment.
type application struct {
	Name        string
	App         string // the label "app", and the Service: that of several Deployments which are one virtual node
	Calls       string // what the server calls itself
	Replicas    int
	Annotations map[string]string
	Args        []string
	Ports       []string
}

func (s *stage) app(args []string) (string, error) {
	a := application{Annotations: map[string]string{}}
	flags := flag.NewFlagSet("app", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&a.App, "as", "", "label and Service, if not the name")
	flags.StringVar(&a.Calls, "calls", "", "what the server calls itself, if not the name")
	flags.IntVar(&a.Replicas, "replicas", 1, "pods")
	linger := flags.Duration("linger", time.Second, "how long it serves on after it was told to stop")
	status := flags.Int("status", 200, "the status of its answers")
	flags.Func("annotation", "KEY=VALUE of the pods; the key without its prefix appmesh.k8s.aws/", func(text string) error {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("write KEY=VALUE")
		}
		a.Annotations["appmesh.k8s.aws/"+key] = value
		return nil
	})
	if len(args) == 0 {
		return "", fmt.Errorf("write: app NAME [FLAGS], and PROTOCOL:PORT for each port")
	}
	a.Name = args[0]
	if err := flags.Parse(args[1:]); err != nil {
		return "", err
	}
	a.Args = append([]string{"serve", "--name", or(a.Calls, a.Name), "--status", fmt.Sprint(*status), "--linger", linger.String()}, flags.Args()...)
	a.App = or(a.App, a.Name)
	for _, p := range flags.Args() {
		_, port, _ := strings.Cut(p, ":")
		a.Ports = append(a.Ports, port)
	}
	return s.render(appManifest, a)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

var appManifest = template.Must(template.New("app").Parse(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{.Name}}}
spec:
  replicas: {{.Replicas}}
  selector: {matchLabels: {part: {{.Name}}}}
  template:
    metadata:
      labels: {app: {{.App}}, part: {{.Name}}}
      annotations: { {{- range $k, $v := .Annotations}}{{$k}}: "{{$v}}", {{end -}} }
    spec:
      terminationGracePeriodSeconds: 10
      containers:
        - name: app
          image: ghcr.io/sluice-mesh/probe:dev
          imagePullPolicy: IfNotPresent
          args: [{{range .Args}}"{{.}}", {{end}}]
          readinessProbe: {httpGet: {path: /, port: 8099}, periodSeconds: 1}
          resources: {requests: {cpu: 5m, memory: 16Mi}}
{{- if .Ports}}
---
apiVersion: v1
kind: Service
metadata: {name: {{.App}}}
spec:
  selector: {app: {{.App}}}
  ports: [{{range .Ports}}{name: p{{.}}, port: {{.}}}, {{end}}]
{{- end}}
`))

func (s *stage) service(args []string) (string, error) {
	if len(args) < 2 {
		return "", fmt.Errorf("write: service NAME, and at least one PORT")
	}
	return s.render(serviceManifest, map[string]any{"Name": args[0], "Ports": args[1:]})
}

var serviceManifest = template.Must(template.New("service").Parse(`
apiVersion: v1
kind: Service
metadata: {name: {{.Name}}}
spec:
  ports: [{{range .Ports}}{name: p{{.}}, port: {{.}}}, {{end}}]
`))

func (s *stage) render(t *template.Template, values any) (string, error) {
	var manifest bytes.Buffer
	if err := t.Execute(&manifest, values); err != nil {
		return "", err
	}
	return s.create(manifest.String())
}
