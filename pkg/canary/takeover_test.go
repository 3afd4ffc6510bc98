package canary

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// What Flagger rewrites in a pod template is no difference; whatever else differs is.
func TestInheritedContent(t *testing.T) {
	const target = `
spec:
  template:
    metadata:
      labels: {app: web, tier: front}
      annotations: {note: kept}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - {topologyKey: host, labelSelector: {matchLabels: {app: web}}}
      topologySpreadConstraints:
      - {maxSkew: 1, labelSelector: {matchExpressions: [{key: app, operator: In, values: [podinfo]}]}}
      containers:
      - name: web
        image: web:1
        envFrom: [{configMapRef: {name: settings}}]
      volumes: [{name: tls, secret: {secretName: tls}}]
`
	// Flagger renames the value of a selector only where it is the target's name.
	primary := strings.NewReplacer("{app: web, tier: front}", "{app: web-primary, tier: front}", "{note: kept}", "{note: kept, flagger-id: 1b2c}",
		"values: [podinfo]", "values: [podinfo-primary]", "{name: settings}", "{name: settings-primary}", "secretName: tls", "secretName: tls-primary").Replace(target)
	object := func(text string) map[string]any {
		var out map[string]any
		if err := yaml.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct {
		target, primary string
		want            bool
	}{
		"as Flagger made it":        {target, primary, true},
		"made without the tracking": {target, strings.NewReplacer("settings-primary", "settings", "tls-primary", "tls").Replace(primary), true},
		"another image":             {strings.Replace(target, "web:1", "web:2", 1), primary, false},
		"another ConfigMap":         {strings.Replace(target, "name: settings", "name: options", 1), primary, false},
		"another label":             {strings.Replace(target, "tier: front", "tier: back", 1), primary, false},
	} {
		t.Run(name, func(t *testing.T) {
			inherited := InheritedContent(podinfo(), Pods{Label: "app", Value: "web"}, object(c.primary))
			if got := SameContent(deploymentTarget{}.Content(object(c.target)), inherited); got != c.want {
				t.Errorf("the same: %v", got)
			}
		})
	}
}
