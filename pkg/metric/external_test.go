package metric

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	externalv1beta1 "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// externalServer answers as an adapter behind the API server does.
func externalServer(t *testing.T, login *string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*login = r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		list := externalv1beta1.ExternalMetricValueList{
			TypeMeta: metav1.TypeMeta{APIVersion: "external.metrics.k8s.io/v1beta1", Kind: "ExternalMetricValueList"},
		}
		value := func(text string) {
			list.Items = append(list.Items, externalv1beta1.ExternalMetricValue{MetricName: "queue", Value: resource.MustParse(text)})
		}
		switch r.URL.Path + "?" + r.URL.Query().Get("labelSelector") {
		case "/apis/external.metrics.k8s.io/v1beta1/namespaces/demo/queue?app=podinfo":
			value("1500m")
			value("7")
		case "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue?":
			value("3")
		case "/apis/external.metrics.k8s.io/v1beta1/namespaces/demo/empty?":
		default:
			w.WriteHeader(http.StatusNotFound)
			json.NewEncoder(w).Encode(metav1.Status{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: http.StatusNotFound,
				Reason: metav1.StatusReasonNotFound, Message: "no such metric",
			})
			return
		}
		if err := json.NewEncoder(w).Encode(list); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestExternalMetrics(t *testing.T) {
	var login string
	cluster := externalServer(t, &login)
	client := NewClient(&rest.Config{Host: cluster, BearerToken: "ours"})
	for sentence, c := range map[string]struct{ text, want string }{
		"the first of the list":      {"demo/queue?labelSelector=app%3Dpodinfo", "1.5"},
		"a metric alone":             {"queue", "3"},
		"an empty namespace":         {"/queue", "3"},
		"an empty list":              {"demo/empty", "no values"},
		"a metric that is not there": {"demo/absent", "no such metric"},
		"too many parts":             {"a/b/c", "the query must have the form NAMESPACE/METRIC?labelSelector=SELECTOR"},
		"nothing":                    {" ", "the query must have the form NAMESPACE/METRIC?labelSelector=SELECTOR"},
		"a selector that is none":    {"queue?labelSelector=%3D", "read the label selector: found '=', expected: !, identifier, or 'end of string'"},
	} {
		t.Run(sentence, func(t *testing.T) {
			value, found, err := client.Ask(t.Context(), Query{Provider: canaryv1beta1.MetricTemplateProvider{Type: "externalmetrics"}, Text: c.text})
			if got := words(value, found, err); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if login != "Bearer ours" {
		t.Errorf("the cluster was asked as %q", login)
	}
}

func TestExternalMetricsOfAnotherServerAreAskedWithoutOurIdentity(t *testing.T) {
	var login string
	other := externalServer(t, &login)
	client := NewClient(&rest.Config{Host: "https://127.0.0.1:1", BearerToken: "ours"})
	ask := func(credentials map[string][]byte) {
		t.Helper()
		value, found, err := client.Ask(t.Context(), Query{
			Provider:    canaryv1beta1.MetricTemplateProvider{Type: "externalmetrics", Address: other},
			Credentials: credentials, Text: "queue",
		})
		if got := words(value, found, err); got != "3" {
			t.Fatal(got)
		}
	}
	if ask(nil); login != "" {
		t.Errorf("it was shown %q", login)
	}
	if ask(map[string][]byte{"token": []byte("theirs")}); login != "Bearer theirs" {
		t.Errorf("with a Secret it was shown %q", login)
	}
}
