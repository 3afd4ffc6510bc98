package admission

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrladmission "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// rules answers for objects of one kind by the rulebook.
type rules struct {
	kind     validate.Kind
	caches   *caches
	counters *counters
	log      logr.Logger
}

// Handle implements admission.Handler.
func (v *rules) Handle(ctx context.Context, request ctrladmission.Request) ctrladmission.Response {
	switch request.Operation {
	case admissionv1.Create, admissionv1.Update:
		return v.write(ctx, request)
	case admissionv1.Delete:
		return v.deletion(ctx, request)
	}
	return ctrladmission.Allowed("")
}

// write judges what somebody wants to store.
func (v *rules) write(ctx context.Context, request ctrladmission.Request) ctrladmission.Response {
	object, err := v.kind.Decode(request.Object.Raw)
	if err != nil {
		return malformed(err)
	}
	if v.kind.Check == nil || object.GetDeletionTimestamp() != nil {
		return ctrladmission.Allowed("") // nobody may be kept from taking a finalizer off
	}
	// An old object that cannot be read does not count: then this is as good as new.
	var old metav1.Object
	if len(request.OldObject.Raw) > 0 {
		if before, err := v.kind.Decode(request.OldObject.Raw); err == nil {
			old = before
		}
	}
	response := v.judge(ctx, request, func(world validate.World) []validate.Finding { return v.kind.Check(old, object, world) })
	if v.kind.Unknown != nil {
		response.Warnings = append(response.Warnings, v.kind.Unknown(request.OldObject.Raw, request.Object.Raw)...)
	}
	return response
}

// deletion judges what somebody wants to delete. What is on its way out already, or goes with its namespace, is nobody's
// to hold; nor is what cannot be read.
func (v *rules) deletion(ctx context.Context, request ctrladmission.Request) ctrladmission.Response {
	object, err := v.kind.Decode(request.OldObject.Raw)
	if err != nil || object.GetDeletionTimestamp() != nil || v.caches.namespaceLeaving(request.Namespace) {
		return ctrladmission.Allowed("")
	}
	return v.judge(ctx, request, func(world validate.World) []validate.Finding { return validate.Deletion(v.kind.Name, object, world) })
}

// settling is the time that what was applied a moment ago has to arrive in the caches before it is called missing.
const settling = 50 * time.Millisecond

// judge asks the cached world, and the live one before it refuses, or says that something is missing: what belongs
// together is often applied together, faster than caches follow.
func (v *rules) judge(ctx context.Context, request ctrladmission.Request, check func(validate.World) []validate.Finding) ctrladmission.Response {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	log := v.log.WithValues("kind", request.Kind.Kind, "namespace", request.Namespace, "name", request.Name, "operation", request.Operation)
	findings := check(v.caches.world(request.Namespace))
	if validate.Doubtful(findings) {
		if slices.ContainsFunc(findings, func(f validate.Finding) bool { return validate.Missing(f.Rule) }) {
			time.Sleep(settling)
		}
		switch world, leaving, err := v.caches.liveWorld(ctx, request.Namespace); {
		case err != nil:
			log.Error(err, "the cache's word stands")
		case leaving:
			findings = nil
		default:
			findings = check(world)
		}
	}
	v.counters.found(findings)
	return respond(findings, log)
}

// byKind hands requests to the rules of their kinds.
type byKind map[schema.GroupKind]*rules

// Handle implements admission.Handler.
func (k byKind) Handle(ctx context.Context, request ctrladmission.Request) ctrladmission.Response {
	if rules := k[schema.GroupKind{Group: request.Kind.Group, Kind: request.Kind.Kind}]; rules != nil {
		return rules.Handle(ctx, request)
	}
	return ctrladmission.Allowed("")
}

// respond turns findings into an answer.
func respond(findings []validate.Finding, log logr.Logger) ctrladmission.Response {
	response := ctrladmission.Allowed("")
	if denied := validate.Denied(findings); len(denied) > 0 {
		response = ctrladmission.Denied(strings.Join(denied, "\n"))
		log.Info("refused a request", "message", strings.Join(denied, "; "))
	}
	response.Warnings = validate.Warnings(findings)
	return response
}

// malformed is the answer to what is not an object of its kind.
func malformed(err error) ctrladmission.Response {
	return ctrladmission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Result: &metav1.Status{Code: http.StatusBadRequest, Reason: metav1.StatusReasonBadRequest, Message: "cannot read the object: " + err.Error()},
	}}
}

// leaving reports whether an object is being deleted.
func leaving(raw []byte) bool {
	var in struct {
		Metadata struct {
			DeletionTimestamp *metav1.Time `json:"deletionTimestamp"`
		} `json:"metadata"`
	}
	return json.Unmarshal(raw, &in) == nil && in.Metadata.DeletionTimestamp != nil
}

// world is what is around the objects of a namespace, as the caches have it.
func (c *caches) world(namespace string) validate.World {
	labels, _ := c.namespaceLabels(namespace)
	return validate.World{
		Policy: c.policy, SelectorLabels: c.selectorLabels,
		Objects: cachedObjects{c}, Cluster: c.relatives, NamespaceLabels: labels,
		Meshes: c.meshes.all(), VirtualGateways: c.gateways.all(),
	}
}

// liveWorld is the same, as the API server has it now, and whether the namespace is being deleted.
func (c *caches) liveWorld(ctx context.Context, namespace string) (world validate.World, leaving bool, err error) {
	world = c.world(namespace)
	world.Objects = &liveObjects{cachedObjects: cachedObjects{c}, ctx: ctx, known: map[mesh.ObjectRef]metav1.Object{}}
	world.Cluster = c.relatives.live(ctx)
	if namespace != "" {
		live, err := c.liveNamespace(ctx, namespace)
		if err != nil {
			return world, false, err
		}
		world.NamespaceLabels, leaving = live.GetLabels(), live.GetDeletionTimestamp() != nil
	}
	if world.Meshes, err = c.meshes.live(ctx, ""); err != nil {
		return world, leaving, err
	}
	world.VirtualGateways, err = c.gateways.live(ctx, "")
	return world, leaving, err
}
