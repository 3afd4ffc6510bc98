package admission

import (
	"bytes"
	"testing"

	kjson "sigs.k8s.io/json"
)

// FuzzParseReview holds the law that makes the fast way safe: what is read is what the ordinary way reads, unless a name is
// there twice, which the API server never writes; and what is skipped is not looked at.
func FuzzParseReview(f *testing.F) {
	f.Add([]byte(reviewOf("demo", "CREATE", podinfo)))
	f.Add([]byte(`{"request":{"object":{"a":1},"object":{"b":2}}}`))
	f.Add([]byte(`{"request":{"object":{"a":1}},"request":{"object":{"b":2}}}`))
	f.Add([]byte(`{"request":{"object":{"a":[}]}}`))
	f.Add([]byte(`{"Request":{"OBJECT":{"a":1}},"request":{"uid":"x","object":{"\u0061":"\\\""}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseReview(body)
		var want review
		if twice, wantErr := kjson.UnmarshalStrict(body, &want, kjson.DisallowDuplicateFields); wantErr != nil || len(twice) > 0 {
			return
		}
		if err != nil {
			t.Fatalf("refused %q: %v", body, err)
		}
		if (got.Request == nil) != (want.Request == nil) {
			t.Fatalf("%q: got %+v, want %+v", body, got, want)
		}
		if got.Request == nil {
			return
		}
		if got.Request.UID != want.Request.UID || got.Request.Namespace != want.Request.Namespace || got.Request.Operation != want.Request.Operation ||
			!bytes.Equal(got.Request.Object, want.Request.Object) {
			t.Fatalf("%q: got %+v, want %+v", body, got.Request, want.Request)
		}
	})
}
