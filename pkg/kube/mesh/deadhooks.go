package mesh

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// App Mesh's webhook configurations fail closed. When the controller behind them is gone, nobody can create a pod in a
// namespace that opted in, nor write any object of the mesh, and neither can we take a finalizer off. We do not remove
// configurations that are not ours; we say which, and how. This file is pure.

// hookConfiguration is what a webhook configuration of either kind boils down to.
type hookConfiguration struct {
	metav1.ObjectMeta
	// kind is what it is called, resource how kubectl takes that.
	kind, resource string
	hooks          []hook
}

type hook struct {
	name string
	// closed is set if nobody's answer means no.
	closed  bool
	service *admissionregistrationv1.ServiceReference
	rules   []admissionregistrationv1.RuleWithOperations
}

// trimHooks is the transform of both kinds.
func trimHooks(obj any) (any, error) {
	switch o := obj.(type) {
	case *admissionregistrationv1.MutatingWebhookConfiguration:
		out := &hookConfiguration{ObjectMeta: nameOf(o), kind: "MutatingWebhookConfiguration", resource: "mutatingwebhookconfiguration"}
		for _, w := range o.Webhooks {
			out.hooks = append(out.hooks, hook{w.Name, closed(w.FailurePolicy), w.ClientConfig.Service, w.Rules})
		}
		return out, nil
	case *admissionregistrationv1.ValidatingWebhookConfiguration:
		out := &hookConfiguration{ObjectMeta: nameOf(o), kind: "ValidatingWebhookConfiguration", resource: "validatingwebhookconfiguration"}
		for _, w := range o.Webhooks {
			out.hooks = append(out.hooks, hook{w.Name, closed(w.FailurePolicy), w.ClientConfig.Service, w.Rules})
		}
		return out, nil
	}
	return obj, nil
}

func nameOf(o metav1.Object) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: o.GetName(), UID: o.GetUID(), ResourceVersion: o.GetResourceVersion()}
}

// closed: absent means Fail.
func closed(policy *admissionregistrationv1.FailurePolicyType) bool {
	return policy == nil || *policy == admissionregistrationv1.Fail
}

// legacyPaths start the paths of App Mesh's webhooks.
var legacyPaths = []string{"/mutate-appmesh-k8s-aws-", "/validate-appmesh-k8s-aws-"}

// isLegacy tells App Mesh's webhooks from ours, which have the same paths, and from everybody else's.
func (h hook) isLegacy() bool {
	if h.service == nil || h.service.Name == sluice.WebhookService {
		return false
	}
	if strings.HasSuffix(h.name, "."+appmeshv1beta2.GroupVersion.Group) {
		return true
	}
	path := ""
	if h.service.Path != nil {
		path = *h.service.Path
	}
	return slices.ContainsFunc(legacyPaths, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) ||
		slices.ContainsFunc(h.rules, func(r admissionregistrationv1.RuleWithOperations) bool {
			return slices.Contains(r.APIGroups, appmeshv1beta2.GroupVersion.Group)
		})
}

// legacyHooks are App Mesh's webhook configurations.
type legacyHooks struct {
	// dead call a Service behind which nobody is, and refuse because of it.
	dead []deadHooks
	// answered tells that somebody is behind one of them: App Mesh's controller runs.
	answered bool
}

type deadHooks struct {
	kind, name, resource string
	// service is the one that it calls, why what is wrong with that: "does not exist".
	service, why string
}

// command takes the configuration away.
func (d deadHooks) command() string { return "kubectl delete " + d.resource + " " + d.name }

// problem says so on a Mesh.
func (d deadHooks) problem(on mesh.ObjectRef) mesh.Problem {
	return mesh.Problem{
		Object: on, Reason: mesh.ReasonDeadWebhooks,
		Err: field.Invalid(field.NewPath(d.kind).Key(d.name), field.OmitValueType{}, fmt.Sprintf(
			"Service %s, which it calls, %s, and it refuses because of that: pods of namespaces with sidecars and objects of the mesh cannot be written; run: %s",
			d.service, d.why, d.command())),
	}
}

// findLegacyHooks looks behind every configuration.
func findLegacyHooks(configurations []*hookConfiguration, services []*corev1.Service, endpoints []*discoveryv1.EndpointSlice) legacyHooks {
	exists, ready := map[string]bool{}, map[string]bool{}
	for _, s := range services {
		exists[s.Namespace+"/"+s.Name] = true
	}
	for _, slice := range endpoints {
		if slices.ContainsFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool { return e.Conditions.Ready == nil || *e.Conditions.Ready }) {
			ready[slice.Namespace+"/"+slice.Labels[discoveryv1.LabelServiceName]] = true
		}
	}
	var out legacyHooks
	for _, c := range configurations {
		for _, h := range c.hooks {
			if !h.isLegacy() {
				continue
			}
			service, why := h.service.Namespace+"/"+h.service.Name, "has no ready endpoint"
			if !exists[service] {
				why = "does not exist"
			}
			if exists[service] && ready[service] {
				out.answered = true
				continue
			}
			if h.closed {
				out.dead = append(out.dead, deadHooks{c.kind, c.Name, c.resource, service, why})
				break
			}
		}
	}
	slices.SortFunc(out.dead, func(a, b deadHooks) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name)) })
	return out
}
