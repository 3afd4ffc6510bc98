package notify

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// quick is a client that does not pause between attempts.
func quick() *Client {
	c := NewClient()
	c.waitMin, c.waitMax = time.Millisecond, time.Millisecond
	return c
}

func TestPostSendsFlaggersPayload(t *testing.T) {
	var got map[string]any
	var contentType string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		contentType = r.Header.Get("Content-Type")
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()

	err := NewClient().Post(t.Context(), Hook{URL: server.URL, Payload: Payload{
		Name: "podinfo", Namespace: "test", Phase: "Progressing", Checksum: "6d4d7b659",
		Metadata: map[string]string{"cmd": "hey http://podinfo-canary.test:9898/"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"name": "podinfo", "namespace": "test", "phase": "Progressing", "checksum": "6d4d7b659",
		"metadata": map[string]any{"cmd": "hey http://podinfo-canary.test:9898/"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
	if contentType != "application/json" {
		t.Errorf("content type %q", contentType)
	}
}

func TestPostAnswers(t *testing.T) {
	cases := map[string]struct {
		status int
		body   string
		want   string
	}{
		"200 means yes":                             {200, "OK", ""},
		"202 means yes, the work is queued":         {202, "", ""},
		"204 means no, as it always has":            {204, "", "HTTP status 204 No Content"},
		"403 is a closed gate, its body is the why": {403, "Forbidden\n", "Forbidden"},
		"500 quotes the command that failed":        {500, "command false failed: exit status 1", "command false failed: exit status 1"},
		"503 without a body still says something":   {503, "", "HTTP status 503 Service Unavailable"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			}))
			defer server.Close()
			if got := message(quick().Post(t.Context(), Hook{URL: server.URL})); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPostRetriesAndThenQuotesTheLastAnswer(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); len(body) == 0 {
			t.Error("a repeated attempt came without its body")
		}
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, "not yet")
		}
	}))
	defer server.Close()

	if err := quick().Post(t.Context(), Hook{URL: server.URL, Retries: 1}); message(err) != "not yet" {
		t.Errorf("after one retry: %v", err)
	}
	if err := quick().Post(t.Context(), Hook{URL: server.URL, Retries: 1}); err != nil {
		t.Errorf("the third call answers yes, got: %v", err)
	}
	if n := calls.Load(); n != 3 {
		t.Errorf("%d calls, want 2 and then 1", n)
	}
}

func TestPostWithoutRetriesCallsOnce(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	if err := quick().Post(t.Context(), Hook{URL: server.URL}); err == nil {
		t.Error("500 must be an error")
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestPostEndsWithItsTimeoutAndItsContext(t *testing.T) {
	blocked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-blocked }))
	defer server.Close()
	defer close(blocked) // before Close, which waits for the handlers

	err := quick().Post(t.Context(), Hook{URL: server.URL + "/?token=hush", Timeout: 20 * time.Millisecond})
	if !strings.Contains(message(err), "Client.Timeout") {
		t.Errorf("timeout: got %v", err)
	}
	if strings.Contains(message(err), "hush") {
		t.Errorf("the error repeats the token of the URL: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := quick().Post(ctx, Hook{URL: server.URL}); !strings.Contains(message(err), "canceled") {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestPostVerifiesCertificatesUnlessToldNotTo(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	if err := quick().Post(t.Context(), Hook{URL: server.URL}); !strings.Contains(message(err), "certificate") {
		t.Errorf("an unknown certificate must be refused, got %v", err)
	}
	if err := quick().Post(t.Context(), Hook{URL: server.URL, DisableTLS: true}); err != nil {
		t.Errorf("disableTLS: %v", err)
	}
}

func TestPostRefusesWhatIsNoURL(t *testing.T) {
	err := quick().Post(t.Context(), Hook{URL: "http://[::1?token=hush"})
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}

func TestChecksumChangesWithTheRevisionOnly(t *testing.T) {
	configs := map[string]string{"configmap/a": "1", "secret/b": "2"}
	first := Checksum("6d4d7b659", configs)
	if first == "" || first != Checksum("6d4d7b659", map[string]string{"secret/b": "2", "configmap/a": "1"}) {
		t.Errorf("one revision, one checksum: %q", first)
	}
	if first == Checksum("6d4d7b658", configs) {
		t.Error("another template must give another checksum")
	}
	if first == Checksum("6d4d7b659", map[string]string{"configmap/a": "1"}) {
		t.Error("other configuration must give another checksum")
	}
}

func TestHappenedKeepsTheEvent(t *testing.T) {
	got := Happened("Advance podinfo.test canary weight 5", "Normal", time.UnixMilli(1700000000123),
		map[string]string{"channel": "#releases", "eventType": "Loud"})
	want := map[string]string{
		"eventMessage": "Advance podinfo.test canary weight 5", "eventType": "Normal",
		"timestamp": "1700000000123", "channel": "#releases",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
