package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json" // reads names as the API server does: case matters

	"github.com/sluice-mesh/sluice/pkg/inject"
)

// maxReview is the largest request that is read. The API server stores objects of up to 3 MiB in JSON and sends at
// most an old and a new one, with little else around them.
const maxReview = 7 << 20

// review is the part of an AdmissionReview that a pod's admission reads. controller-runtime's own handler decodes all
// of it through a codec, which for a pod costs more than the admission itself.
type review struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Request    *reviewRequest `json:"request"`
}

type reviewRequest struct {
	UID         types.UID       `json:"uid"`
	SubResource string          `json:"subResource"`
	Namespace   string          `json:"namespace"`
	Operation   string          `json:"operation"`
	Object      json.RawMessage `json:"object"`
}

// badRequest is what cannot be answered with a review, because there is no telling what was asked.
type badRequest struct {
	status int
	err    error
}

func (b *badRequest) Error() string { return b.err.Error() }

// readReview reads a request for admission.
func readReview(r *http.Request) (*reviewRequest, error) {
	if r.Method != http.MethodPost {
		return nil, &badRequest{http.StatusMethodNotAllowed, errors.New("admission is asked for by POST")}
	}
	if r.Body == nil {
		return nil, &badRequest{http.StatusBadRequest, errors.New("the request has no body")}
	}
	body, err := readAll(r)
	if err != nil {
		return nil, err
	}
	in, err := parseReview(body)
	if err != nil {
		return nil, &badRequest{http.StatusBadRequest, fmt.Errorf("the body is not an AdmissionReview: %w", err)}
	}
	if in.Kind != "AdmissionReview" || in.APIVersion != "admission.k8s.io/v1" || in.Request == nil || in.Request.UID == "" {
		return nil, &badRequest{http.StatusBadRequest, errors.New("the body is not an AdmissionReview of admission.k8s.io/v1 with a request in it")}
	}
	return in.Request, nil
}

// parseReview reads the review around the object, and leaves the object as it came: pkg/inject reads it, and reading a pod
// twice would be most of the cost of its admission.
func parseReview(body []byte) (review, error) {
	var in review
	c := inject.NewCursor(body)
	c.Members(func(key []byte) {
		switch string(key) {
		case "apiVersion":
			in.APIVersion = c.Text()
		case "kind":
			in.Kind = c.Text()
		case "request":
			in.Request = readRequest(c)
		default:
			c.Value()
		}
	})
	if c.Done() {
		return in, nil
	}
	in = review{} // something unusual: the ordinary way will tell
	err := utiljson.Unmarshal(body, &in)
	return in, err
}

// readRequest is nil for a null.
func readRequest(c *inject.Cursor) *reviewRequest {
	in := &reviewRequest{}
	if !c.Members(func(key []byte) {
		switch string(key) {
		case "uid":
			in.UID = types.UID(c.Text())
		case "subResource":
			in.SubResource = c.Text()
		case "namespace":
			in.Namespace = c.Text()
		case "operation":
			in.Operation = c.Text()
		case "object":
			in.Object = c.Value()
		default:
			c.Value()
		}
	}) {
		return nil
	}
	return in
}

// readAll reads the body in one allocation where its length is known.
func readAll(r *http.Request) ([]byte, error) {
	tooLarge := &badRequest{http.StatusRequestEntityTooLarge, fmt.Errorf("the request is larger than %d bytes", maxReview)}
	if r.ContentLength > maxReview {
		return nil, tooLarge
	}
	if r.ContentLength >= 0 {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, &badRequest{http.StatusBadRequest, fmt.Errorf("read the request: %w", err)}
		}
		return body, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxReview+1))
	if err != nil {
		return nil, &badRequest{http.StatusBadRequest, fmt.Errorf("read the request: %w", err)}
	}
	if len(body) > maxReview {
		return nil, tooLarge
	}
	return body, nil
}

// answer is an AdmissionReview with a response, ready to be written.
type answer struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Response   answerResponse `json:"response"`
}

type answerResponse struct {
	UID       types.UID `json:"uid"`
	Allowed   bool      `json:"allowed"`
	Status    *status   `json:"status,omitempty"`
	PatchType string    `json:"patchType,omitempty"`
	Patch     []byte    `json:"patch,omitempty"` // base64 on the wire
	Warnings  []string  `json:"warnings,omitempty"`
}

type status struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message"`
}

// refuse is a denial with a sentence: 403 for what is against a rule, 400 for what cannot be read.
func refuse(code int, message string) answerResponse {
	reason := "Forbidden"
	if code == http.StatusBadRequest {
		reason = "BadRequest"
	}
	return answerResponse{Status: &status{Code: code, Reason: reason, Message: message}}
}

// write sends the answer.
func (a answerResponse) write(w http.ResponseWriter, uid types.UID) error {
	a.UID = uid
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(answer{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview", Response: a})
}
