package admission

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-logr/logr"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/inject"
)

// liveTimeout bounds a read from the API server on behalf of one that waits for us.
const liveTimeout = 2 * time.Second

// pods answers for pods. It is an http.Handler of its own, because decoding a whole Pod, or a whole review twice, costs
// several times what the patch does.
type pods struct {
	caches    *caches
	selectors *selectors
	config    inject.Config
	excluded  map[string]bool
	counters  *counters
	log       logr.Logger
}

// ServeHTTP answers one review. It reads caches and writes nothing, so a dry run needs no case of its own.
func (p *pods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := readReview(r)
	if err != nil {
		code := http.StatusBadRequest
		if bad := (*badRequest)(nil); errors.As(err, &bad) {
			code = bad.status
		}
		p.log.Info("a request that is no review", "problem", err.Error())
		http.Error(w, err.Error(), code)
		return
	}
	if err := p.answer(r.Context(), request).write(w, request.UID); err != nil {
		p.log.Info("an answer could not be sent", "problem", err.Error())
	}
}

// answer decides about one pod.
func (p *pods) answer(ctx context.Context, request *reviewRequest) answerResponse {
	if request.Operation != "CREATE" || request.SubResource != "" {
		return answerResponse{Allowed: true} // membership is frozen at creation
	}
	if p.excluded[request.Namespace] { // should the selector of the webhook be lost
		p.counters.pod(inject.ReasonExcludedNamespace)
		return answerResponse{Allowed: true}
	}
	pod, err := inject.Decode(request.Object, request.Namespace)
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	decision := p.decide(ctx, pod)
	if decision.Deny {
		return p.deny(pod, decision.Reason, decision.Message)
	}
	result, err := inject.Patch(pod, decision.Target, p.config)
	if err != nil {
		return p.deny(pod, inject.ReasonBadAnnotation, err.Error())
	}
	return p.admit(pod, decision, result)
}

// decide asks the index first, and the API server before it leaves a pod without its proxy: the virtual node may have
// been created in the same breath.
func (p *pods) decide(ctx context.Context, pod *inject.Pod) inject.Decision {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	labels := p.namespaceLabels(ctx, pod.Namespace)
	decision := inject.Decide(pod, labels, p.selectors.index, p.config)
	if decision.Reason != inject.ReasonNoMatch && decision.Reason != inject.ReasonNotSelected {
		return decision
	}
	nodes, err := p.caches.nodes.live(ctx, pod.Namespace)
	if err != nil {
		p.log.Error(err, "the cache's word stands", "pod", pod.String())
		return decision
	}
	gateways, err := p.caches.gateways.live(ctx, pod.Namespace)
	if err != nil {
		p.log.Error(err, "the cache's word stands", "pod", pod.String())
		return decision
	}
	return inject.Decide(pod, labels, p.selectors.of(nodes, gateways), p.config)
}

// namespaceLabels trusts the cache if it knows the label that made the API server ask us, and asks back otherwise.
func (p *pods) namespaceLabels(ctx context.Context, namespace string) map[string]string {
	labels, known := p.caches.namespaceLabels(namespace)
	if _, labelled := labels[appmeshv1beta2.AnnotationSidecarInjectorWebhook]; known && labelled {
		return labels
	}
	live, err := p.caches.liveNamespace(ctx, namespace)
	if err != nil {
		p.log.Error(err, "the cache's word stands", "namespace", namespace)
		return labels
	}
	return live.GetLabels()
}

func (p *pods) deny(pod *inject.Pod, reason inject.Reason, message string) answerResponse {
	p.counters.pod(reason)
	p.log.Info("refused a pod", "pod", pod.String(), "reason", reason, "message", message)
	return refuse(http.StatusForbidden, message)
}

// quiet are the reasons for which an author need not be told that a pod got no proxy.
var quiet = map[inject.Reason]bool{inject.ReasonDisabled: true, inject.ReasonMirrorPod: true, inject.ReasonAlreadyInjected: true}

func (p *pods) admit(pod *inject.Pod, decision inject.Decision, result inject.Result) answerResponse {
	p.counters.pod(decision.Reason)
	answer := answerResponse{Allowed: true, Warnings: slices.Concat(decision.Warnings, result.Warnings)}
	if !decision.Inject && !quiet[decision.Reason] {
		answer.Warnings = append(answer.Warnings, "the pod gets no proxy: "+decision.Message)
	}
	if len(result.Ops) > 0 {
		patch, err := json.Marshal(result.Ops)
		if err != nil { // the operations are plain data
			p.log.Error(err, "a patch cannot be written", "pod", pod.String())
			return refuse(http.StatusInternalServerError, "write the patch: "+err.Error())
		}
		answer.PatchType, answer.Patch = "JSONPatch", patch
	}
	if log := p.log.V(1); log.Enabled() {
		log.Info("admitted a pod", "pod", pod.String(), "reason", decision.Reason, "target", decision.Target.Name)
	}
	return answer
}
