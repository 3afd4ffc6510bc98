package mesh

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// proxyConfigData is what a sidecar finds beside its token. It is pure.
func proxyConfigData(bundle []byte) map[string]string {
	return map[string]string{
		sluice.CAFile:          string(bundle),
		sluice.CASecretFile:    xds.CASecretYAML(),
		sluice.TokenSecretFile: xds.TokenSecretYAML(),
	}
}

// holds tells that have says everything that want says.
func holds(have, want map[string]string) bool {
	for key, value := range want {
		if have[key] != value {
			return false
		}
	}
	return true
}

// ProxyNamespaces lists the namespaces whose pods may get a sidecar: marked for injection, selected by a mesh, or with
// virtual nodes or gateways. A namespace too many costs one ConfigMap; one too few leaves pods waiting for a volume.
// It is pure.
func ProxyNamespaces(s mesh.Snapshot) []string {
	occupied := map[string]bool{}
	for _, n := range s.VirtualNodes {
		occupied[n.Namespace] = true
	}
	for _, g := range s.VirtualGateways {
		occupied[g.Namespace] = true
	}
	var selectors []labels.Selector
	for _, m := range s.Meshes {
		// No selector selects nothing; one that does not parse is the mesh's problem and is reported there.
		if selector, err := metav1.LabelSelectorAsSelector(m.Spec.NamespaceSelector); err == nil {
			selectors = append(selectors, selector)
		}
	}
	out := map[string]bool{}
	for _, n := range s.Namespaces {
		if n.DeletionTimestamp == nil && (occupied[n.Name] || mayInject(n, selectors)) {
			out[n.Name] = true
		}
	}
	return sortedKeys(out)
}

func mayInject(n *corev1.Namespace, meshes []labels.Selector) bool {
	if _, marked := n.Labels[appmeshv1beta2.AnnotationSidecarInjectorWebhook]; marked {
		return true
	}
	for _, selector := range meshes {
		if selector.Matches(labels.Set(n.Labels)) {
			return true
		}
	}
	return false
}
