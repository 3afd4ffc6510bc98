package main

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// injector answers as the webhook would, from a snapshot.
type injector struct {
	index  *inject.Index
	config inject.Config
	system string
	// labels of the namespaces.
	labels  map[string]map[string]string
	assumed func(namespace string) bool
}

func newInjector(in *input, system string, config inject.Config) injector {
	c := injector{index: &inject.Index{}, config: config, system: system, labels: map[string]map[string]string{}, assumed: in.assumed}
	snapshot := in.snapshot
	for _, n := range snapshot.Namespaces {
		c.labels[n.Name] = n.Labels
	}
	model, _ := mesh.Build(snapshot)
	// A selector that cannot be read selects nothing; the model's problems tell of it elsewhere.
	for _, v := range snapshot.VirtualNodes {
		if node := model.Node(mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: v.Namespace, Name: v.Name}); node != nil {
			_ = c.index.Set(inject.NodeCandidate(v, node.Mesh))
		}
	}
	for _, v := range snapshot.VirtualGateways {
		if gateway := model.Gateway(mesh.ProxyID{Kind: mesh.ProxyVirtualGateway, Namespace: v.Namespace, Name: v.Name}); gateway != nil {
			_ = c.index.Set(inject.GatewayCandidate(v, gateway.Mesh))
		}
	}
	return c
}

// injection is the answer about one workload.
type injection struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Outcome is injected, skipped or refused.
	Outcome string        `json:"outcome"`
	Reason  inject.Reason `json:"reason"`
	Message string        `json:"message"`
	// Target is the virtual node or gateway, as KIND/NAMESPACE/NAME.
	Target string `json:"target,omitempty"`
	// Missing tells of a pod that exists without the proxy that it would get now.
	Missing bool `json:"missing,omitempty"`
	// ops is what is done to the pod, and warnings what its author is told.
	ops      []inject.Op
	warnings []string
}

// The outcomes.
const (
	outcomeInjected = "injected"
	outcomeSkipped  = "skipped"
	outcomeRefused  = "refused"
)

func (a injection) object() string { return a.Kind + "/" + a.Namespace + "/" + a.Name }

// why is the reason in words.
func (a injection) why() string {
	switch {
	case a.Missing:
		return fmt.Sprintf("it exists without a proxy and would get one now, as %s; create it again (%s)", a.Target, a.Reason)
	case a.Target != "":
		return fmt.Sprintf("%s, as %s (%s)", a.Message, a.Target, a.Reason)
	}
	return fmt.Sprintf("%s (%s)", a.Message, a.Reason)
}

// answer says what the webhook would do to the pods of a workload, which has a namespace.
func (c injector) answer(workload *unstructured.Unstructured) (injection, error) {
	kind, _ := workloadOf(workload.GroupVersionKind().GroupKind())
	out := injection{Kind: kind.kind, Namespace: workload.GetNamespace(), Name: workload.GetName(), Outcome: outcomeSkipped}
	raw, err := kind.pod(workload.Object)
	if err != nil {
		return out, err
	}
	pod, err := inject.Decode(raw, out.Namespace)
	if err != nil {
		return out, err
	}
	labels := c.namespaceLabels(out.Namespace)
	if asked, reason := inject.Asked(out.Namespace, c.system, labels); !asked {
		out.Reason, out.Message = reason, reason.Sentence()
		return out, nil
	}
	d := inject.Decide(pod, labels, c.index, c.config)
	out.Reason, out.Message = d.Reason, d.Message
	if d.Deny {
		out.Outcome = outcomeRefused
		return out, nil
	}
	result, err := inject.Patch(pod, d.Target, c.config)
	if err != nil {
		out.Outcome, out.Reason, out.Message = outcomeRefused, inject.ReasonBadAnnotation, err.Error()
		return out, nil
	}
	out.ops, out.warnings = result.Ops, slices.Concat(d.Warnings, result.Warnings)
	if d.Target.Name != "" {
		out.Target = fmt.Sprintf("%s/%s/%s", d.Target.Kind, d.Target.Namespace, d.Target.Name)
	}
	if d.Inject || d.Reason == inject.ReasonAlreadyInjected {
		out.Outcome = outcomeInjected
		out.Missing = d.Inject && kind.kind == "Pod" && workload.GetUID() != ""
	}
	return out, nil
}

// namespaceLabels are those of the namespace. One that no file describes is taken to have opted in.
func (c injector) namespaceLabels(namespace string) map[string]string {
	if c.assumed != nil && c.assumed(namespace) {
		return map[string]string{appmeshv1beta2.AnnotationSidecarInjectorWebhook: appmeshv1beta2.ValueEnabled}
	}
	return c.labels[namespace]
}
