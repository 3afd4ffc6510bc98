package diagnosis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/envoy"
)

// named is how many objects a sentence names at most.
const named = 3

// some names the first few of many.
func some(items []string) string {
	if len(items) <= named {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:named], ", "), len(items)-named)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// namespaces looks for those that are in a mesh by half: it costs an hour to find out why a pod has no proxy.
func namespaces(c Cluster) []Finding {
	var selectors []labels.Selector
	for _, m := range c.Snapshot.Meshes {
		// One that cannot be read is told on the Mesh.
		if selector, err := metav1.LabelSelectorAsSelector(m.Spec.NamespaceSelector); err == nil {
			selectors = append(selectors, selector)
		}
	}
	nodes := map[string]int{}
	for _, n := range c.Snapshot.VirtualNodes {
		nodes[n.Namespace]++
	}
	var outside, closed, in []string
	for _, n := range c.Snapshot.Namespaces {
		meshed := slices.ContainsFunc(selectors, func(s labels.Selector) bool { return s.Matches(labels.Set(n.Labels)) })
		_, marked := n.Labels[appmeshv1beta2.AnnotationSidecarInjectorWebhook]
		switch {
		case nodes[n.Name] > 0 && !meshed:
			outside = append(outside, n.Name)
		case nodes[n.Name] > 0 && !marked:
			closed = append(closed, n.Name)
		case nodes[n.Name] > 0:
			in = append(in, n.Name)
		}
	}
	var out []Finding
	if len(outside) > 0 {
		out = append(out, Finding{Severity: Error, Message: "no Mesh selects namespaces that have virtual nodes: " + some(outside),
			Remedy: "label them as the namespaceSelector of the Mesh asks: kubectl get meshes -o custom-columns=NAME:.metadata.name,SELECTOR:.spec.namespaceSelector"})
	}
	if len(closed) > 0 {
		out = append(out, Finding{Severity: Warning, Message: "namespaces with virtual nodes have not opted in, so their new pods get no proxy: " + some(closed),
			Remedy: fmt.Sprintf("kubectl label namespace NAME %s=%s", appmeshv1beta2.AnnotationSidecarInjectorWebhook, appmeshv1beta2.ValueEnabled)})
	}
	switch {
	case len(out) > 0:
		return out
	case len(in) == 0:
		return ok("no namespace has virtual nodes yet")
	}
	return ok("in a mesh and opted in: " + some(in))
}

// stateRemedies are what to do about proxies, by their state.
var stateRemedies = map[envoy.State]string{
	envoy.Rejected:     "Envoy's sentence is in kubectl sluice proxy-status -A",
	envoy.NotConnected: "kubectl sluice proxy-status -A names them; look at the log of their container envoy, and whether they reach mesh on port 18000",
	envoy.Stale:        "kubectl sluice proxy-status -A -w shows whether they catch up",
	envoy.Foreign:      "restart their pods, so that they get a proxy of Sluice's: kubectl sluice proxy-status -A",
}

// proxies looks at how they stand to mesh.
func proxies(c Cluster) []Finding {
	by := map[envoy.State][]string{}
	for _, p := range c.Proxies {
		by[p.State] = append(by[p.State], p.Namespace+"/"+p.Pod)
	}
	var out []Finding
	for _, state := range slices.Sorted(maps.Keys(by)) {
		if state == envoy.Synced {
			continue
		}
		severity := Warning
		if state == envoy.Rejected || state == envoy.NotConnected {
			severity = Error
		}
		slices.Sort(by[state])
		out = append(out, Finding{Severity: severity, Message: fmt.Sprintf("%s %s: %s", count(len(by[state]), "proxy is", "proxies are"), state, some(by[state])), Remedy: stateRemedies[state]})
	}
	switch {
	case len(out) > 0:
		return out
	case len(c.Proxies) == 0:
		return ok("there is no proxy yet")
	}
	return ok(count(len(by[envoy.Synced]), "is connected and has", "are connected and have") + " the newest configuration")
}

// nakedPods looks for pods that the mesh does nothing for.
func nakedPods(c Cluster) []Finding {
	if len(c.Naked) == 0 {
		return ok("every pod that should have a proxy has one")
	}
	return []Finding{{Severity: Warning, Message: fmt.Sprintf("%s without the proxy that is meant for it: %s", count(len(c.Naked), "pod runs", "pods run"), some(c.Naked)),
		Remedy: "create them again: kubectl rollout restart the workload that owns them"}}
}
