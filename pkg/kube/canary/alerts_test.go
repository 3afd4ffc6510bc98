package canary

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/notify"
	"github.com/sluice-mesh/sluice/pkg/notify/alert"
	"github.com/sluice-mesh/sluice/test/realkube"
)

var alertProviders = canaryv1beta1.GroupVersion.WithResource("alertproviders")

// chat writes down what it is told, as "path severity: text", where the severity is what a Slack attachment shows of it.
type chat struct {
	*httptest.Server
	mu     sync.Mutex
	told   []string
	fields map[string]string // of the last message
	tokens map[string]string // by path
}

func newChat(t *testing.T) *chat {
	c := &chat{tokens: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Attachments []struct {
				Color, Text string
				Fields      []struct{ Title, Value string }
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Attachments) != 1 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		a := body.Attachments[0]
		c.told = append(c.told, fmt.Sprintf("%s %s: %s", r.URL.Path, a.Color, a.Text))
		c.tokens[r.URL.Path] = r.Header.Get("Authorization")
		c.fields = map[string]string{}
		for _, f := range a.Fields {
			c.fields[f.Title] = f.Value
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *chat) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told)
}

func alertProvider(name, spec string) string {
	return "{apiVersion: flagger.app/v1beta1, kind: AlertProvider, metadata: {name: " + name + "}, spec: " + spec + "}"
}

func TestAlertsGoWhereTheSpecSays(t *testing.T) {
	c := newChat(t)
	w := newWorld(t)
	w.options.Alerts, w.options.ClusterName = notify.NewClient(), "eu-1"
	w.options.GlobalAlert = &alert.Destination{Type: "slack", Address: c.URL + "/global"}
	elsewhere := &world{t: t, kube: w.kube, dynamic: w.dynamic, namespace: realkube.Namespace(t, w.config, nil)}
	w.watched = []string{elsewhere.namespace}
	elsewhere.secret("hook", map[string]string{"address": c.URL + "/on-call\n", "token": "hush"})
	elsewhere.apply(alertProviders, alertProvider("on-call", "{type: slack, channel: on-call, secretRef: {name: hook}}"))
	w.apply(alertProviders, alertProvider("team", `{type: rocket, address: "`+c.URL+`/team"}`))
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, podinfoCanary+`
    alerts:
    - {name: everything, providerRef: {name: team}}
    - {name: bad news, severity: error, providerRef: {name: on-call, namespace: `+elsewhere.namespace+`}}
    - {name: nobody, severity: error, providerRef: {name: nobody}}
`)
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("the canary has traffic", func() bool { return w.canary().Status.CanaryWeight == 20 })
	w.until("the beginning is told", func() bool { return len(c.all()) == 2 })
	c.mu.Lock()
	if got := c.fields; got["Cluster"] != "eu-1" || got["Target"] != "Deployment/podinfo."+w.namespace || got["Traffic routing"] != "Weight step: 20 max: 60" {
		t.Errorf("fields %v", got)
	}
	c.mu.Unlock()
	w.traffic.set(func(f *traffic) { f.failing = true })
	w.until("it is rolled back", w.phase(canaryv1beta1.CanaryPhaseFailed))
	w.until("the end is told", func() bool { return len(c.all()) == 4 })
	want := []string{
		"/team #0076D7: New Deployment detected, initialization completed.",
		"/team #0076D7: New revision detected, progressing canary analysis.",
		"/team #FF0000: Failed checks threshold reached 2",
		"/on-call danger: Failed checks threshold reached 2",
	}
	if got := c.all(); !slices.Equal(got, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c.tokens["/on-call"] != "Bearer hush" {
		t.Errorf("token %q", c.tokens["/on-call"])
	}
	w.until("it is said that somebody was not told", func() bool {
		return w.told("Alert nobody not sent: AlertProvider nobody."+w.namespace+" not found") == 1
	})
	if strings.Contains(w.log.String(), "hush") || w.told("hush") > 0 {
		t.Error("a token was told")
	}
}

func TestACanaryWithoutAlertsAndEventHooksHasThoseOfTheInstallation(t *testing.T) {
	c, r := newChat(t), newReceiver(t)
	w := newWorld(t)
	w.hooks = notify.NewClient()
	w.options.Alerts, w.options.EventWebhook = notify.NewClient(), r.URL+"/events"
	w.options.GlobalAlert = &alert.Destination{Type: "slack", Address: c.URL + "/global"}
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, podinfoCanary)
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.until("the chat hears of it", func() bool {
		return slices.Equal(c.all(), []string{"/global good: New Deployment detected, initialization completed."})
	})
	w.until("the webhook hears of it", func() bool {
		return slices.ContainsFunc(r.called("/events"), func(p notify.Payload) bool {
			return p.Metadata["eventMessage"] == "Initialization done! podinfo."+w.namespace && p.Phase == "Initialized"
		})
	})
}

func TestAChatThatHangsHoldsNothing(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(func() {
		close(hang)
		server.Close()
	})
	w := newWorld(t)
	w.options.Alerts = notify.NewClient()
	w.options.GlobalAlert = &alert.Destination{Type: "slack", Address: server.URL}
	w.apply(deployments, podinfoDeployment)
	w.apply(hpas, podinfoHPA)
	w.apply(canaries, podinfoCanary)
	stop := w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	stop() // and an orderly stop does not wait for it either
}
