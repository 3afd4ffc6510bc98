package admission

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	ctrladmission "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/sluice-mesh/sluice/pkg/validate"
)

// defaults completes new objects of one of App Mesh's kinds.
type defaults struct {
	kind   string
	caches *caches
	log    logr.Logger
}

// Handle implements admission.Handler.
func (d *defaults) Handle(ctx context.Context, request ctrladmission.Request) ctrladmission.Response {
	if request.Operation != admissionv1.Create {
		return ctrladmission.Allowed("") // what an object belongs to is fixed when it is created
	}
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	object := validate.New{Kind: d.kind, Namespace: request.Namespace, Raw: request.Object.Raw}
	result, err := d.complete(ctx, object)
	if bad := (*validate.MalformedError)(nil); errors.As(err, &bad) {
		return malformed(bad.Err)
	}
	var response ctrladmission.Response
	switch {
	case err != nil:
		d.log.Info("refused a request", "kind", d.kind, "namespace", request.Namespace, "name", request.Name, "message", err.Error())
		response = ctrladmission.Denied(err.Error())
	case len(result.Ops) == 0:
		response = ctrladmission.Allowed("")
	default:
		response = patched(result.Ops)
	}
	response.Warnings = result.Warnings
	return response
}

// complete asks the cached world, and the live one before it refuses: a mesh and its members are often applied together.
func (d *defaults) complete(ctx context.Context, object validate.New) (validate.Defaults, error) {
	result, refusal := validate.Default(object, d.caches.world(object.Namespace))
	if refusal == nil {
		return result, nil
	}
	world, _, err := d.caches.liveWorld(ctx, object.Namespace)
	if err != nil {
		d.log.Error(err, "the cache's word stands", "namespace", object.Namespace)
		return result, refusal
	}
	return validate.Default(object, world)
}

// patched answers with the operations as they are. controller-runtime would rather compare two whole documents.
func patched(ops []validate.Op) ctrladmission.Response {
	patch, err := json.Marshal(ops)
	if err != nil { // the operations are plain data
		return ctrladmission.Errored(http.StatusInternalServerError, err)
	}
	response := ctrladmission.Allowed("")
	kind := admissionv1.PatchTypeJSONPatch
	response.Patch, response.PatchType = patch, &kind
	return response
}
