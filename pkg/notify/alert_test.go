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

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/notify/alert"
)

var failedRelease = alert.Message{Name: "podinfo", Namespace: "demo", Severity: canaryv1beta1.SeverityError, Text: "Failed checks threshold reached 3"}

func TestAlertIsPosted(t *testing.T) {
	var path, token, text string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Attachments []struct{ Text string } }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Attachments) != 1 {
			t.Errorf("%v: %+v", err, body)
			return
		}
		path, token, text = r.URL.Path, r.Header.Get("Authorization"), body.Attachments[0].Text
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	err := NewClient().Alert(t.Context(), alert.Destination{Type: "slack", Address: server.URL + "/hook", Token: "hush"}, failedRelease)
	if err != nil || path != "/hook" || token != "Bearer hush" || text != failedRelease.Text {
		t.Errorf("%v: %s %s %q", err, path, token, text)
	}
}

func TestAlertIsRepeatedAFewTimes(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); len(body) == 0 {
			t.Error("an attempt came without its body")
		}
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	if err := quick().Alert(t.Context(), alert.Destination{Type: "generic", Address: server.URL}, failedRelease); err != nil || calls.Load() != 3 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
	calls.Store(-100)
	err := quick().Alert(t.Context(), alert.Destination{Type: "generic", Address: server.URL}, failedRelease)
	if err == nil || calls.Load() != -100+1+alertRetries {
		t.Errorf("%v after %d calls, want %d", err, calls.Load()+100, 1+alertRetries)
	}
}

func TestAlertErrorsHoldNoSecret(t *testing.T) {
	var status int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		io.WriteString(w, "no_service for "+r.Header.Get("Authorization"))
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for code, want := range map[int]string{
		http.StatusForbidden: host + " answers HTTP status 403: no_service for Bearer [redacted]",
		// Followed, it would be a GET that succeeds.
		http.StatusFound: host + " answers HTTP status 302: no_service for Bearer [redacted]",
	} {
		status = code
		err := quick().Alert(t.Context(), alert.Destination{Type: "slack", Address: server.URL + "/secret-path", Token: "hush"}, failedRelease)
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	server.Close()
	err := quick().Alert(t.Context(), alert.Destination{Type: "slack", Address: server.URL + "/secret-path"}, failedRelease)
	if err == nil || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("got %v", err)
	}
}

func TestAlertGoesThroughItsProxy(t *testing.T) {
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.String() }))
	defer proxy.Close()
	err := quick().Alert(t.Context(), alert.Destination{Type: "slack", Address: "http://chat.invalid/hook", Proxy: proxy.URL}, failedRelease)
	if err != nil || asked != "http://chat.invalid/hook" {
		t.Errorf("%v: the proxy was asked for %q", err, asked)
	}
	err = quick().Alert(t.Context(), alert.Destination{Type: "slack", Address: "http://chat.invalid/hook", Proxy: "proxy"}, failedRelease)
	if err == nil || err.Error() != "the alert's proxy is not a URL" {
		t.Errorf("got %v", err)
	}
}

func TestAlertEndsWithItsContext(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := quick().Alert(ctx, alert.Destination{Type: "slack", Address: server.URL}, failedRelease); err == nil {
		t.Error("a chat that hangs must be given up")
	}
}
