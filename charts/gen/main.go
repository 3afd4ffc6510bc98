// Command gen makes what the chart has twice: copies of the objects of config/, and the table and the schema of its values.
//
//	go generate ./charts/...
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:generate go run .

// copies says which objects of config/ the chart needs, and in which of its folders.
var copies = []struct{ from, to string }{
	{"crd", "crds"},
	{"webhook", "files/webhook"},
	{"mesh", "files/mesh"},
	{"canary", "files/canary"},
	{"cni/base", "files/cni"},
	{"components/high-availability", "files/high-availability"},
	{"components/cert-manager", "files/cert-manager"},
	{"components/telemetry/prometheus", "files/prometheus"},
	{"components/prometheus-operator", "files/prometheus-operator"},
}

// texts are what the chart puts into ConfigMaps, below config/components.
var texts = []string{"telemetry/prometheus.yml", "telemetry/rules.yaml", "grafana/canary.json", "grafana/injector.json", "grafana/mesh.json"}

// demo is what the chart takes of the demo: what a platform team gives, without the application and its release.
var demo = []string{"namespace.yaml", "mesh.yaml", "gateway.yaml", "loadtester.yaml"}

func main() {
	if err := run("../../config", "../sluice"); err != nil {
		fmt.Fprintln(os.Stderr, "make the chart:", err)
		os.Exit(1)
	}
}

func run(config, chart string) error {
	for _, folder := range []string{"crds", "files"} {
		if err := os.RemoveAll(filepath.Join(chart, folder)); err != nil {
			return fmt.Errorf("clear %s: %w", folder, err)
		}
	}
	if err := monitoringRules(filepath.Join(config, "components")); err != nil {
		return err
	}
	for _, c := range copies {
		files, err := filepath.Glob(filepath.Join(config, c.from, "*.yaml"))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("config/%s has no objects: %w", c.from, err)
		}
		if err := copyFiles(files, filepath.Join(chart, c.to)); err != nil {
			return err
		}
	}
	var files []string
	for _, name := range demo {
		files = append(files, filepath.Join(config, "demo", name))
	}
	if err := copyFiles(files, filepath.Join(chart, "files", "demo")); err != nil {
		return err
	}
	files = nil
	for _, name := range texts {
		files = append(files, filepath.Join(config, "components", name))
	}
	if err := copyFiles(files, filepath.Join(chart, "files", "texts")); err != nil {
		return err
	}
	return document(chart)
}

// monitoringRules writes the rules for the Prometheus Operator, which wants them in an object.
func monitoringRules(components string) error {
	text, err := os.ReadFile(filepath.Join(components, "telemetry", "rules.yaml"))
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	const head = `# Code generated from ../telemetry/rules.yaml by go generate ./charts/... DO NOT EDIT.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: sluice
  namespace: sluice-system
  labels:
    app.kubernetes.io/part-of: sluice
spec:
`
	var out strings.Builder
	out.WriteString(head)
	for line := range strings.Lines(string(text)) {
		if line != "\n" {
			out.WriteString("  ")
		}
		out.WriteString(line)
	}
	if err := os.WriteFile(filepath.Join(components, "prometheus-operator", "prometheusrule.yaml"), []byte(out.String()), 0o644); err != nil {
		return fmt.Errorf("write the rules: %w", err)
	}
	return nil
}

// copyFiles copies objects, and leaves out what tells kustomize about them.
func copyFiles(files []string, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", to, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "kustomization.yaml") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read an object: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), text, 0o644); err != nil {
			return fmt.Errorf("write an object: %w", err)
		}
	}
	return nil
}
