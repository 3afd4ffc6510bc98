package notify

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func podinfo() *canaryv1beta1.Canary {
	return &canaryv1beta1.Canary{
		ObjectMeta: metav1.ObjectMeta{Name: "podinfo", Namespace: "test"},
		Status:     canaryv1beta1.CanaryStatus{Phase: canaryv1beta1.CanaryPhaseProgressing, LastAppliedSpec: "6d4d7b659"},
	}
}

func TestCallAndTellSendWhatTheSpecSays(t *testing.T) {
	var got []Payload
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p Payload
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		got = append(got, p)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	hook := canaryv1beta1.CanaryWebhook{Name: "load", URL: server.URL, Timeout: "5s", Metadata: map[string]string{"cmd": "hey"}}

	if err := NewClient().Call(t.Context(), podinfo(), "Waiting", hook); err != nil {
		t.Fatal(err)
	}
	if err := NewClient().Tell(t.Context(), podinfo(), hook, "Promoted", "Normal", time.UnixMilli(5)); err != nil {
		t.Fatal(err)
	}
	sum := Checksum("6d4d7b659", nil)
	want := []Payload{
		{Name: "podinfo", Namespace: "test", Phase: "Waiting", Checksum: sum, Metadata: map[string]string{"cmd": "hey"}},
		{Name: "podinfo", Namespace: "test", Phase: "Progressing", Checksum: sum, Metadata: map[string]string{
			"cmd": "hey", "eventMessage": "Promoted", "eventType": "Normal", "timestamp": "5",
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("payloads (-want +got):\n%s", diff)
	}
	if _, kept := hook.Metadata["eventType"]; kept {
		t.Error("the spec's metadata must not be written to")
	}
}

func TestTimeoutOfASpec(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "30s": 30 * time.Second, "2m": 2 * time.Minute, "5seconds": 0} {
		if got := timeout(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
