package notify

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sluice-mesh/sluice/pkg/notify/signature"
)

// TestHooksAreSigned looks at what is signed, and that it is what the receiver gets.
func TestHooksAreSigned(t *testing.T) {
	var header, path, body string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		header, path, body = r.Header.Get(signature.Header), r.URL.Path, string(text)
	}))
	defer server.Close()
	var signed signature.Request
	client := NewClient().Signing(func(r signature.Request) string {
		signed = r
		return "signed"
	})
	if err := client.Post(t.Context(), Hook{URL: server.URL + "/gate/check?a=b", Payload: Payload{Name: "podinfo"}}); err != nil {
		t.Fatal(err)
	}
	if header != "signed" || signed.Path != path || path != "/gate/check" || string(signed.Body) != body || body == "" {
		t.Errorf("header %q, path %q, body %q; signed is %+v", header, path, body, signed)
	}
}
