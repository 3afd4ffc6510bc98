// Command decoder is the least that a mutating webhook with controller-runtime does: decode the pod, set one annotation,
// and answer with the difference.
package main

import (
	"context"
	"encoding/json"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/sluice-mesh/sluice/test/bench/peers/serve"
)

type annotator struct{ decoder admission.Decoder }

// Handle implements admission.Handler.
func (a annotator) Handle(_ context.Context, request admission.Request) admission.Response {
	pod := &corev1.Pod{}
	if err := a.decoder.Decode(request, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations["example.com/seen"] = "true"
	text, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, text)
}

func main() {
	serve.Run(func() (http.Handler, error) {
		scheme := runtime.NewScheme()
		if err := clientgoscheme.AddToScheme(scheme); err != nil {
			return nil, err
		}
		return &admission.Webhook{Handler: annotator{admission.NewDecoder(scheme)}}, nil
	})
}
