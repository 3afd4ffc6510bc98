package helm

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/test/realkube"
)

// everything switches on all that the chart can install without others' definitions.
const everything = `
cni: {enabled: true}
demo: {enabled: true, namespace: cast}
leaderElection: {replicaCount: 2}
failurePolicy: {objects: Ignore}
`

// TestInstalled installs the chart into a real API server, applies it again, and takes it away.
func TestInstalled(t *testing.T) {
	admin := realkube.Start(t)
	kubeconfig := realkube.Kubeconfig(t, admin)
	values := file(t, everything)
	for version := range versions {
		t.Run(version, func(t *testing.T) {
			helm := func(verb string, args ...string) {
				t.Helper()
				if out, problem, err := run(t, version, append([]string{verb, "sluice", "--namespace", namespace, "--kubeconfig", kubeconfig}, args...)...); err != nil {
					t.Fatalf("helm %s: %v\n%s%s", verb, err, out, problem)
				}
			}
			helm("install", chart, "--create-namespace", "--values", values)
			podsAreRestricted(t, admin)
			// As the webhook process does it, by its own field manager.
			realkube.Kubectl(t, admin, ownBundle, "apply", "--server-side", "--field-manager=sluice-webhook", "-f", "-")
			before := generations(t, admin)
			helm("upgrade", chart, "--values", values)
			if after := generations(t, admin); after != before {
				t.Errorf("applied again without a change, and something changed:\n%s\nwas\n%s", after, before)
			}
			if got := realkube.Kubectl(t, admin, "", "get", "mutatingwebhookconfiguration", "sluice-webhook", "-o", `jsonpath={.webhooks[?(@.name=="mpod.sluice.dev")].clientConfig.caBundle}`); got != "QUJD" {
				t.Errorf("an upgrade took the caBundle of the webhook process away: %q", got)
			}
			helm("uninstall")
			if left := realkube.Kubectl(t, admin, "", "get", kinds, "-A", "-l", "helm.sh/chart", "-o", "name"); strings.TrimSpace(left) != "" {
				t.Errorf("left after the uninstallation:\n%s", left)
			}
			for _, name := range []string{"cast", "sluice-cni"} {
				finish(t, admin, name)
			}
			if crds := realkube.Kubectl(t, admin, "", "get", "crd", "canaries.flagger.app", "-o", "name"); !strings.Contains(crds, "canaries.flagger.app") {
				t.Error("the definitions went, and every release's state with them")
			}
		})
	}
}

const ownBundle = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: sluice-webhook}
webhooks: [{name: mpod.sluice.dev, clientConfig: {caBundle: QUJD}}]
`

// finish ends the deletion of an empty namespace, which is a controller's task that nobody has here.
func finish(t *testing.T, admin *rest.Config, name string) {
	t.Helper()
	empty := fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q},"spec":{"finalizers":[]}}`, name)
	realkube.Kubectl(t, admin, empty, "replace", "--raw", "/api/v1/namespaces/"+name+"/finalize", "-f", "-")
}

// kinds are those of the objects in the chart but namespaces.
const kinds = "deployments,daemonsets,services,configmaps,serviceaccounts,clusterroles,clusterrolebindings,roles,rolebindings,poddisruptionbudgets,networkpolicies," +
	"mutatingwebhookconfigurations,validatingwebhookconfigurations,meshes,virtualgateways,virtualnodes"

// generations says how often each object's specification has changed, and the version of those that count no generation.
func generations(t *testing.T, admin *rest.Config) string {
	t.Helper()
	return realkube.Kubectl(t, admin, "", "get", kinds, "-A", "-l", "helm.sh/chart", "-o",
		`jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.generation}{"\n"}{end}`)
}

// podsAreRestricted makes the pods of our Deployments, without storing them, in a namespace that enforces Pod Security
// restricted, as config/default's does.
func podsAreRestricted(t *testing.T, admin *rest.Config) {
	t.Helper()
	realkube.Kubectl(t, admin, "", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	text := realkube.Kubectl(t, admin, "", "--namespace", namespace, "get", "deployments", "-o", "yaml")
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ Template map[string]any }
		}
	}
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) < 3 {
		t.Fatalf("%d Deployments", len(list.Items))
	}
	for _, d := range list.Items {
		pod := d.Spec.Template
		pod["apiVersion"], pod["kind"] = "v1", "Pod"
		pod["metadata"].(map[string]any)["name"] = d.Metadata.Name
		manifest, err := yaml.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		if said := realkube.Kubectl(t, admin, string(manifest), "--namespace", namespace, "create", "--dry-run=server", "-f", "-"); strings.Contains(said, "Warning") {
			t.Error(fmt.Sprintf("%s: %s", d.Metadata.Name, said))
		}
	}
}
