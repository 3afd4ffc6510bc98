package canary

import (
	"context"
	"fmt"
	"maps"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// meshObjects are the VirtualNodes, VirtualRouters and VirtualServices of a Canary, in the order in which they must
// come: nothing points at what is not there yet. The weights are those of the apex router.
func (v *view) meshObjects(weights canary.Weights) ([]*unstructured.Unstructured, error) {
	if v.mesh != nil && v.meshWeights == weights {
		return v.mesh, nil // one pass compares and then writes the same objects
	}
	var out []*unstructured.Unstructured
	add := func(kind schema.GroupVersionKind, object any) error {
		u, err := wanted(kind, object)
		out = append(out, u)
		return err
	}
	for _, node := range canary.VirtualNodes(v.canary, v.pods) {
		if err := add(kindVirtualNode, node); err != nil {
			return nil, err
		}
	}
	for _, router := range canary.VirtualRouters(v.canary, v.pods, weights) {
		if err := add(kindVirtualRouter, router); err != nil {
			return nil, err
		}
	}
	for _, service := range canary.VirtualServices(v.canary) {
		if err := add(kindVirtualService, service); err != nil {
			return nil, err
		}
	}
	v.mesh, v.meshWeights = out, weights
	return out, nil
}

// services are the Services of a Canary; the one named like the apex is asked for apart.
func (v *view) services() (sides []*unstructured.Unstructured, apex *unstructured.Unstructured, err error) {
	if v.servicesMade {
		return v.sideServices, v.apexService, nil
	}
	if v.pods.Cloned != nil {
		clone, err := content(canary.ClonedService(v.canary, v.pods))
		if err != nil {
			return nil, nil, err
		}
		v.sideServices, v.servicesMade = []*unstructured.Unstructured{clone}, true
		return v.sideServices, nil, nil
	}
	for _, service := range canary.Services(v.canary, v.pods) {
		u, err := wanted(kindService, service)
		if err != nil {
			return nil, nil, err
		}
		if u.GetName() == v.apex() {
			apex = u
			continue
		}
		sides = append(sides, u)
	}
	v.sideServices, v.apexService, v.servicesMade = sides, apex, true
	return sides, apex, nil
}

// wanted is a built object as the store handles it.
func wanted(kind schema.GroupVersionKind, object any) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("encode a %s: %w", kind.Kind, err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(kind)
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	return u, nil
}

// seeGenerated compares what we generate with what is there.
func (s *shell) seeGenerated(ctx context.Context, v *view) error {
	if v.podsErr != nil {
		v.obs.Missing = []string{v.podsErr.Error()}
		return nil
	}
	router, err := s.store.get(ctx, v.in(kindVirtualRouter, v.apex()))
	if err != nil {
		return err
	}
	if router != nil && !canary.Routed(v.canary) && !v.isOurs(router) {
		router = nil // a mesh of somebody else's is none of this Canary's business
	}
	var weights canary.Weights // of a router that is missing in any case
	if v.obs.Weights = weightsOf(v.canary, router); v.obs.Weights != nil {
		weights = *v.obs.Weights
	}
	objects, err := v.meshObjects(weights)
	if err != nil {
		return err
	}
	services, _, err := v.services()
	if err != nil {
		return err
	}
	for _, want := range append(objects, services...) {
		problem, err := s.problem(ctx, v, want)
		if err != nil {
			return err
		}
		if problem != "" {
			v.obs.Missing = append(v.obs.Missing, problem)
		}
	}
	v.obs.MeshReady = len(v.obs.Missing) == 0
	return nil
}

// problem says what keeps a generated object from being what we want; empty if nothing does.
func (s *shell) problem(ctx context.Context, v *view, want *unstructured.Unstructured) (string, error) {
	o := objectOf(want)
	live, err := s.store.get(ctx, o)
	switch {
	case err != nil:
		return "", err
	case live == nil:
		return fmt.Sprintf("%s %s", o.Kind, o.Name), nil
	case !v.isOurs(live):
		v.obs.Foreign = append(v.obs.Foreign, foreign(o, live))
		return foreign(o, live), nil
	case difference(live, completed(want, live)) != nil:
		return fmt.Sprintf("%s %s", o.Kind, o.Name), nil
	}
	return "", nil
}

// foreign is the sentence about an object of ours whose name somebody else took.
func foreign(o object, live *unstructured.Unstructured) string {
	owner := "nobody's"
	if controller := metav1.GetControllerOf(live); controller != nil {
		owner = fmt.Sprintf("%s %s's", controller.Kind, controller.Name)
	}
	return fmt.Sprintf("%s %s exists already and is %s: delete it, or give the Canary another service.name", o.Kind, o.Name, owner)
}

// weightsOf reads the weights of an apex router; nil if they are not there.
func weightsOf(c *canaryv1beta1.Canary, router *unstructured.Unstructured) *canary.Weights {
	if router == nil {
		return nil
	}
	vr := &appmeshv1beta2.VirtualRouter{}
	if runtime.DefaultUnstructuredConverter.FromUnstructured(router.Object, vr) != nil {
		return nil // what we wrote decodes, so this is somebody else's
	}
	return canary.WeightsOf(c, vr)
}

// seeApex finds out whether users who call the apex Service reach the primary.
func (s *shell) seeApex(ctx context.Context, v *view) error {
	if v.podsErr != nil {
		return nil
	}
	_, want, err := v.services()
	if err != nil {
		return err
	}
	if want == nil { // the user's own, which we leave alone
		v.obs.ApexReady, v.obs.ApexOnTarget = true, true
		return nil
	}
	live, err := s.store.get(ctx, v.in(kindService, v.apex()))
	if err != nil || live == nil {
		return err
	}
	have, _, _ := unstructured.NestedStringMap(live.Object, "spec", "selector")
	primary, _, _ := unstructured.NestedStringMap(want.Object, "spec", "selector")
	switch {
	case maps.Equal(have, primary):
		v.obs.ApexReady, err = s.servedBy(ctx, v, v.apex(), v.primaryName())
	case maps.Equal(have, canary.TargetSelector(v.pods)):
		v.obs.ApexOnTarget, err = s.servedBy(ctx, v, v.apex(), v.targetName())
	}
	return err
}

// servedBy says whether a Service's ready endpoints are pods of a workload, and there is one. The slices lag behind the
// selector: for a moment they still hold the pods that it selected before.
func (s *shell) servedBy(ctx context.Context, v *view, service, workload string) (bool, error) {
	endpoints, err := s.readyEndpoints(ctx, v, service)
	for _, endpoint := range endpoints {
		if endpoint.TargetRef == nil || !v.kind.OwnsPod(workload, endpoint.TargetRef.Name) {
			return false, err
		}
	}
	return len(endpoints) > 0, err
}

// readyEndpoints are those of a Service of the Canary's namespace.
func (s *shell) readyEndpoints(ctx context.Context, v *view, service string) ([]discoveryv1.Endpoint, error) {
	var slices discoveryv1.EndpointSliceList
	err := s.store.client.List(ctx, &slices, client.InNamespace(v.canary.Namespace),
		client.MatchingLabels{discoveryv1.LabelServiceName: service})
	if err != nil {
		return nil, fmt.Errorf("list the endpoints of Service %s: %w", service, err)
	}
	var ready []discoveryv1.Endpoint
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				ready = append(ready, endpoint)
			}
		}
	}
	return ready, nil
}
