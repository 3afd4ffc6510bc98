package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/release"
	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// role says what an object is in the picture of a release.
type role int

const (
	roleCanary role = iota
	roleTarget
	rolePrimary
	roleScaler
	rolePrimaryScaler
	roleRouter
	roleEvents
)

var (
	canaryResource = canaryv1beta1.GroupVersion.WithResource("canaries")
	routerResource = appmeshv1beta2.GroupVersion.WithResource("virtualrouters")
	eventResource  = corev1.SchemeGroupVersion.WithResource("events")
)

// part is what to ask the API server for: objects of a kind, one by its name, or events about a Canary.
type part struct {
	role     role
	resource schema.GroupVersionResource
	// name of the object, or of the Canary that events are about; empty for all.
	name string
}

func (p part) selector() string {
	switch {
	case p.name == "":
		return ""
	case p.role == roleEvents:
		return fields.Set{"involvedObject.kind": canaryv1beta1.KindCanary, "involvedObject.name": p.name}.String()
	}
	return fields.OneTermEqualSelector("metadata.name", p.name).String()
}

// partsOf are the other objects of a Canary's picture. A kind that the cluster does not have has no objects.
func partsOf(c *canaryv1beta1.Canary, mapper meta.RESTMapper) []part {
	target, apex := c.Spec.TargetRef.Name, cmp.Or(c.Spec.Service.Name, c.Spec.TargetRef.Name)
	out := []part{{roleEvents, eventResource, c.Name}}
	add := func(kind schema.GroupVersionKind, roles [2]role, name string) {
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return
		}
		out = append(out, part{roles[0], mapping.Resource, name}, part{roles[1], mapping.Resource, name + "-primary"})
	}
	if kind := canary.TargetOf(c); kind != nil {
		add(kind.GroupVersionKind(), [2]role{roleTarget, rolePrimary}, target)
	}
	if kind := canary.ScalerOf(c); kind != nil {
		add(kind.GroupVersionKind(), [2]role{roleScaler, rolePrimaryScaler}, c.Spec.AutoscalerRef.Name)
	}
	if c.Spec.Provider != canaryv1beta1.ProviderKubernetes {
		out = append(out, part{roleRouter, routerResource, apex})
	}
	return out
}

// picture is what was seen of one Canary and its objects, or of many Canaries.
type picture struct {
	config    *rest.Config
	client    dynamic.Interface
	namespace string
	// single says that it is of one Canary, and whole.
	single bool
	parts  []part
	seen   map[role][]*unstructured.Unstructured
}

func newPicture(config *rest.Config, namespace string) (*picture, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return &picture{config: config, client: client, namespace: namespace, seen: map[role][]*unstructured.Unstructured{}}, nil
}

// read looks at one part. One that must not be read is left out, and told, unless it is the Canaries.
func (p *picture) read(ctx context.Context, s *shell, part part) error {
	resource := p.client.Resource(part.resource).Namespace(p.namespace)
	pages := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return resource.List(ctx, o) })
	var found []*unstructured.Unstructured
	err := pages.EachListItem(ctx, metav1.ListOptions{FieldSelector: part.selector()}, func(o runtime.Object) error {
		if u, ok := o.(*unstructured.Unstructured); ok {
			found = append(found, u)
		}
		return nil
	})
	switch {
	case apierrors.IsForbidden(err) && part.role != roleCanary:
		s.warn(fmt.Sprintf("%s cannot be read, so nothing is said of them: %v", part.resource.Resource, err))
		return nil
	case apierrors.IsNotFound(err) && part.role != roleCanary:
		return nil // a kind that the cluster does not have
	case err != nil:
		return advised(err, p.config)
	}
	p.parts = append(p.parts, part)
	p.seen[part.role] = found
	return nil
}

// canaries decodes the Canaries, in the order of their names. One that does not decode is looked at as far as it does.
func (p *picture) canaries() []*canaryv1beta1.Canary {
	var out []*canaryv1beta1.Canary
	for _, u := range p.seen[roleCanary] {
		c := &canaryv1beta1.Canary{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, c); err != nil {
			c = &canaryv1beta1.Canary{}
			c.Namespace, c.Name = u.GetNamespace(), u.GetName()
			c.Status.Rollout = &canaryv1beta1.RolloutStatus{Why: "cannot be read: " + err.Error()}
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *canaryv1beta1.Canary) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// views are what is told of the Canaries.
func (p *picture) views() []release.View {
	var out []release.View
	for _, c := range p.canaries() {
		o := release.Objects{Canary: c}
		if p.single {
			o.Whole = true
			o.Target, o.Primary, o.Router = p.one(roleTarget), p.one(rolePrimary), p.one(roleRouter)
			o.Scaler, o.PrimaryScaler = p.one(roleScaler), p.one(rolePrimaryScaler)
			o.Events = p.events()
		}
		out = append(out, release.Of(o))
	}
	return out
}

func (p *picture) one(role role) *unstructured.Unstructured {
	if len(p.seen[role]) == 0 {
		return nil
	}
	return p.seen[role][0]
}

func (p *picture) events() []corev1.Event {
	var out []corev1.Event
	for _, u := range p.seen[roleEvents] {
		var e corev1.Event
		if runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &e) == nil {
			out = append(out, e)
		}
	}
	return out
}
