package metric

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

func TestWhatCannotBeAsked(t *testing.T) {
	for sentence, c := range map[string]struct {
		query Query
		want  string
	}{
		"a provider that is not served": {
			Query{Provider: canaryv1beta1.MetricTemplateProvider{Type: "graphite"}},
			"provider graphite is not served: use prometheus, datadog, cloudwatch, externalmetrics",
		},
		"an address that is none": {
			Query{Provider: canaryv1beta1.MetricTemplateProvider{Type: "prometheus", Address: "prometheus:9090"}},
			"the provider's address is not a URL that starts with http:// or https://",
		},
		"a Secret without a login": {
			Query{Provider: canaryv1beta1.MetricTemplateProvider{Type: "prometheus", Address: "http://127.0.0.1:1"}, Credentials: map[string][]byte{"username": []byte("me")}},
			"the Secret has neither the key token nor the keys username and password",
		},
		"Datadog without keys": {
			Query{Provider: canaryv1beta1.MetricTemplateProvider{Type: "datadog"}, Credentials: map[string][]byte{"datadog_api_key": []byte("k")}},
			"the Secret has no key datadog_application_key",
		},
		"CloudWatch without a region": {
			Query{Provider: canaryv1beta1.MetricTemplateProvider{Type: "cloudwatch"}}, "region not specified",
		},
		"a CloudWatch query that is no JSON": {
			Query{Provider: canaryv1beta1.MetricTemplateProvider{Type: "cloudwatch", Region: "eu-west-1"}, Text: "up"},
			"the query is not a JSON list of MetricDataQuery: invalid character 'u' looking for beginning of value",
		},
		"external metrics without a cluster": {
			Query{Provider: canaryv1beta1.MetricTemplateProvider{Type: "externalmetrics"}, Text: "queue"},
			"the provider needs an address: there is no cluster to ask",
		},
		"a provider that is not there": {
			Query{Provider: canaryv1beta1.MetricTemplateProvider{Type: "prometheus", Address: "http://me:hush@127.0.0.1:1"}, Text: "up"},
			"dial tcp 127.0.0.1:1: connect: connection refused",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, found, err := NewClient(nil).Ask(t.Context(), c.query)
			if found || err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestErrorsQuoteNoCredential(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprintf(w, "no\nupstream for %s and %s %s", r.Header.Get("Authorization"), r.Header.Get("X-Key"), strings.Repeat("x", 2*maxSentence))
	}))
	defer server.Close()
	_, _, err := NewClient(nil).Ask(t.Context(), Query{
		Provider:    canaryv1beta1.MetricTemplateProvider{Type: "prometheus", Address: server.URL, Headers: map[string][]string{"X-Key": {"whisper"}}},
		Credentials: map[string][]byte{"token": []byte("hush-hush")}, Text: "up",
	})
	const want = "server error: 502: no upstream for Bearer [redacted] and [redacted] xxx"
	if err == nil || !strings.HasPrefix(err.Error(), want) || len(err.Error()) > maxSentence+len("...") {
		t.Errorf("got  %v\nwant %s...", err, want)
	}
}

func TestAProviderThatHangsIsGivenUp(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	began := time.Now()
	_, _, err := NewClient(nil).Ask(t.Context(), Query{
		Provider: canaryv1beta1.MetricTemplateProvider{Type: "prometheus", Address: server.URL}, Text: "up",
	})
	if err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took < askTimeout || took > 4*askTimeout {
		t.Errorf("given up after %v, want about %v", took, askTimeout)
	}
}

func TestAnAnswerWithoutEndIsGivenUp(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range maxAnswer/1024 + 1024 {
			if _, err := io.WriteString(w, strings.Repeat(" ", 1024)); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	_, _, err := NewClient(nil).Ask(t.Context(), Query{
		Provider: canaryv1beta1.MetricTemplateProvider{Type: "prometheus", Address: server.URL}, Text: "up",
	})
	if err == nil || err.Error() != errTooLong.Error() {
		t.Errorf("got %v", err)
	}
}

func TestConnectionsThatNobodyUsesAreGivenUp(t *testing.T) {
	now := time.Unix(0, 0)
	client := NewClient(nil)
	client.now = func() time.Time { return now }
	ask := func(token string) {
		if _, err := client.provider(Query{
			Provider:    canaryv1beta1.MetricTemplateProvider{Type: "prometheus", Address: "http://127.0.0.1:1"},
			Credentials: map[string][]byte{"token": []byte(token)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	ask("old")
	now = now.Add(keptFor)
	ask("new") // the credentials were changed
	if len(client.kept) != 2 {
		t.Fatalf("%d providers are kept, want the old one and the new one", len(client.kept))
	}
	now = now.Add(keptFor + time.Second)
	ask("newest")
	if len(client.kept) != 1 {
		t.Errorf("%d providers are kept, want the newest", len(client.kept))
	}
}
