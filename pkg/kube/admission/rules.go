package admission

import (
	"context"
	"net/http"
	"strings"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json" // reads names as the API server does: case matters
	ctrladmission "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// rules answers for objects of one kind by the rulebook.
type rules[T any] struct {
	check    func(old, new *T, world validate.World) []validate.Finding
	gather   gatherer
	counters *counters
	log      logr.Logger
}

// gatherer collects the world around a request. A live one is asked for before a refusal.
type gatherer func(ctx context.Context, namespace string, live bool) (validate.World, error)

// Handle implements admission.Handler.
func (v *rules[T]) Handle(ctx context.Context, request ctrladmission.Request) ctrladmission.Response {
	if request.Operation != admissionv1.Create && request.Operation != admissionv1.Update {
		return ctrladmission.Allowed("")
	}
	object := new(T)
	if err := json.Unmarshal(request.Object.Raw, object); err != nil {
		return malformed(err)
	}
	if leaving(request.Object.Raw) {
		return ctrladmission.Allowed("") // nobody may be kept from taking a finalizer off
	}
	// An old object that cannot be read does not count: then this is as good as new.
	var old *T
	if len(request.OldObject.Raw) > 0 {
		before := new(T)
		if json.Unmarshal(request.OldObject.Raw, before) == nil {
			old = before
		}
	}
	findings := v.findings(ctx, request.Namespace, old, object)
	v.counters.found(findings)
	response := respond(findings, v.log.WithValues("kind", request.Kind.Kind, "namespace", request.Namespace, "name", request.Name))
	response.Warnings = append(response.Warnings, validate.UnknownFields[T](request.OldObject.Raw, request.Object.Raw)...)
	return response
}

// findings asks the cached world, and the live one before it refuses, or says that something is missing: what belongs
// together is often applied together, faster than caches follow.
func (v *rules[T]) findings(ctx context.Context, namespace string, old, object *T) []validate.Finding {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	world, err := v.gather(ctx, namespace, false)
	if err != nil {
		v.log.Error(err, "the world is incomplete")
	}
	findings := v.check(old, object, world)
	if !validate.Doubtful(findings) {
		return findings
	}
	world, err = v.gather(ctx, namespace, true)
	if err != nil {
		v.log.Error(err, "the cache's word stands", "namespace", namespace)
		return findings
	}
	return v.check(old, object, world)
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

// alone is for rules that look at nothing but the object.
func alone(context.Context, string, bool) (validate.World, error) { return validate.World{}, nil }

// releases gathers what has to do with the releases of a namespace.
func (c *caches) releases(ctx context.Context, namespace string, live bool) (validate.World, error) {
	labels, _ := c.namespaceLabels(namespace)
	world := validate.World{Cluster: c.relatives.index, NamespaceLabels: labels, Meshes: c.meshes.all()}
	if live {
		world.Cluster = c.relatives.live(ctx)
	}
	return world, nil
}

// membership gathers what an object of a namespace may belong to.
func (c *caches) membership(ctx context.Context, namespace string, live bool) (validate.World, error) {
	if !live {
		labels, _ := c.namespaceLabels(namespace)
		return validate.World{NamespaceLabels: labels, Meshes: c.meshes.all(), VirtualGateways: c.gateways.all()}, nil
	}
	labels, err := c.liveNamespaceLabels(ctx, namespace)
	if err != nil {
		return validate.World{}, err
	}
	meshes, err := c.meshes.live(ctx, "")
	if err != nil {
		return validate.World{}, err
	}
	gateways, err := c.gateways.live(ctx, "")
	return validate.World{NamespaceLabels: labels, Meshes: meshes, VirtualGateways: gateways}, err
}

// The rules of releases, as handlers.
type (
	canaryRules = rules[canaryv1beta1.Canary]
	hpaRules    = rules[autoscalingv2.HorizontalPodAutoscaler]
)
