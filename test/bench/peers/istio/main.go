// Command istio is the injector of Istio with its own templates and its chart's default values.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/mesh/meshwatcher"
	"istio.io/istio/pkg/kube/inject"
	"istio.io/istio/pkg/kube/multicluster"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/test/bench/peers/serve"
)

// settings is a fixed configuration, as istiod reads it from its ConfigMap.
type settings struct {
	config *inject.Config
	values string
}

// Run implements inject.Watcher: nothing changes.
func (settings) Run(<-chan struct{}) {}

// Get implements inject.Watcher.
func (s settings) Get() (*inject.Config, string, error) { return s.config, s.values, nil }

// SetHandler implements inject.Watcher.
func (settings) SetHandler(func(*inject.Config, string) error) {}

func main() {
	chart := flag.String("chart", "", "folder of Istio's chart istio-discovery")
	serve.Run(func() (http.Handler, error) {
		s, err := load(*chart)
		if err != nil {
			return nil, err
		}
		m := mesh.DefaultMeshConfig()
		env := &model.Environment{Watcher: meshwatcher.NewTestWatcher(m), ConfigStore: model.NewFakeStore()}
		env.SetPushContext(&model.PushContext{ProxyConfigs: model.GetProxyConfigs(env.ConfigStore, m)})
		mux := http.NewServeMux()
		_, err = inject.NewWebhook(inject.WebhookParameters{Watcher: s, Env: env, Mux: mux, MultiCluster: multicluster.NewFakeController()})
		return mux, err
	})
}

// load does what the chart's templates do with the values that it ships.
func load(chart string) (settings, error) {
	template, err := os.ReadFile(filepath.Join(chart, "files", "injection-template.yaml"))
	if err != nil {
		return settings{}, fmt.Errorf("read Istio's template: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return settings{}, fmt.Errorf("read Istio's values: %w", err)
	}
	var file struct {
		Defaults map[string]any `json:"_internal_defaults_do_not_set"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return settings{}, fmt.Errorf("read Istio's values: %w", err)
	}
	d := file.Defaults
	values, err := json.Marshal(map[string]any{
		"global": d["global"], "sidecarInjectorWebhook": d["sidecarInjectorWebhook"], "revision": d["revision"],
		"pilot": map[string]any{"cni": d["cni"], "env": d["env"]}, "gateways": d["gateways"],
	})
	if err != nil {
		return settings{}, err
	}
	config, err := json.Marshal(map[string]any{
		"policy": "enabled", "defaultTemplates": []string{"sidecar"}, "templates": map[string]string{"sidecar": string(template)},
	})
	if err != nil {
		return settings{}, err
	}
	parsed, err := inject.UnmarshalConfig(config)
	return settings{config: &parsed, values: string(values)}, err
}
