package admission

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrladmission "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// removals answers for the deletion of what has members. Everything else is next's.
type removals struct {
	next     ctrladmission.Handler
	kind     string
	caches   *caches
	counters *counters
	log      logr.Logger
}

// Handle implements admission.Handler.
func (r *removals) Handle(ctx context.Context, request ctrladmission.Request) ctrladmission.Response {
	if request.Operation != admissionv1.Delete {
		return r.next.Handle(ctx, request)
	}
	// What is on its way out already, or goes with its namespace, is nobody's to hold.
	if leaving(request.OldObject.Raw) || r.caches.namespaceLeaving(request.Namespace) {
		return ctrladmission.Allowed("")
	}
	findings := r.findings(ctx, mesh.ObjectRef{Kind: r.kind, Namespace: request.Namespace, Name: request.Name})
	r.counters.found(findings)
	return respond(findings, r.log.WithValues("kind", r.kind, "namespace", request.Namespace, "name", request.Name, "operation", request.Operation))
}

// findings asks the caches, and the API server before it refuses: members are often deleted a moment before.
func (r *removals) findings(ctx context.Context, object mesh.ObjectRef) []validate.Finding {
	findings := validate.Removal(object, r.caches.members(), r.caches.policy)
	if len(findings) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	live, err := r.caches.liveMembers(ctx)
	if err != nil {
		r.log.Error(err, "the cache's word stands", "namespace", object.Namespace)
		return findings
	}
	return validate.Removal(object, live, r.caches.policy)
}

// members lists what can belong to a mesh, and the namespaces that it may go with.
func (c *caches) members() mesh.Snapshot {
	s := mesh.Snapshot{
		VirtualNodes: c.nodes.all(), VirtualServices: c.services.all(), VirtualRouters: c.routers.all(),
		VirtualGateways: c.gateways.all(), GatewayRoutes: c.routes.all(),
	}
	for _, namespace := range as[metav1.PartialObjectMetadata](c.namespaces.informer.GetStore().List()) {
		s.Namespaces = append(s.Namespaces, &corev1.Namespace{ObjectMeta: namespace.ObjectMeta})
	}
	return s
}

func (c *caches) liveMembers(ctx context.Context) (s mesh.Snapshot, err error) {
	namespaces, err := c.metadata.Resource(c.namespaces.resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return s, fmt.Errorf("list namespaces: %w", err)
	}
	for i := range namespaces.Items {
		s.Namespaces = append(s.Namespaces, &corev1.Namespace{ObjectMeta: namespaces.Items[i].ObjectMeta})
	}
	var errs [5]error
	s.VirtualNodes, errs[0] = c.nodes.live(ctx, "")
	s.VirtualServices, errs[1] = c.services.live(ctx, "")
	s.VirtualRouters, errs[2] = c.routers.live(ctx, "")
	s.VirtualGateways, errs[3] = c.gateways.live(ctx, "")
	s.GatewayRoutes, errs[4] = c.routes.live(ctx, "")
	return s, errors.Join(errs[:]...)
}
