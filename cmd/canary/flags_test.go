package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/notify/alert"
)

func TestFlags(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "mesh-system")
	cfg, err := parseFlags(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.leaseNamespace != "mesh-system" || !cfg.leaderElection || cfg.metricsAddress != ":8080" || cfg.healthAddress != ":8081" {
		t.Errorf("defaults: %+v", cfg)
	}
	cfg, err = parseFlags([]string{"-namespace=a,b", "--poll-interval=500ms", "--leader-elect=false"}, io.Discard)
	if err != nil || !cmp.Equal(cfg.namespaces, []string{"a", "b"}) || cfg.pollInterval != 500*time.Millisecond || cfg.leaderElection {
		t.Errorf("%+v, %v", cfg, err)
	}
	for want, args := range map[string][]string{"-log-level": {"-log-level=loud"}, "see -help": {"-nonsense"}} {
		if _, err := parseFlags(args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestHelpTeaches(t *testing.T) {
	var help bytes.Buffer
	if _, err := parseFlags([]string{"--help"}, &help); !errors.Is(err, errHelp) {
		t.Fatal(err)
	}
	for _, want := range []string{"jq .msg", "sluice-canary", "-lease-namespace", "flagger_canary_weight"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("%q is missing:\n%s", want, help.String())
		}
	}
}

func TestAlertFlags(t *testing.T) {
	t.Setenv("SLACK_TOKEN", "hush")
	cfg, err := parseFlags([]string{"-slack-url=https://hooks.slack.com/x", "-slack-channel=releases", "-cluster-name=eu-1"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := &alert.Destination{Type: "slack", Address: "https://hooks.slack.com/x", Token: "hush", Username: "flagger", Channel: "releases"}
	if diff := cmp.Diff(want, cfg.alerts.destination()); diff != "" || cfg.alerts.clusterName != "eu-1" {
		t.Errorf("-want +got:\n%s", diff)
	}
	t.Setenv("MSTEAMS_URL", "https://outlook.office.com/x")
	t.Setenv("EVENT_WEBHOOK_URL", "http://events.tools")
	cfg, err = parseFlags([]string{"-slack-url=https://hooks.slack.com/x", "-event-webhook=http://old"}, io.Discard)
	want = &alert.Destination{Type: "msteams", Address: "https://outlook.office.com/x"}
	if diff := cmp.Diff(want, cfg.alerts.destination()); err != nil || diff != "" || cfg.alerts.eventWebhook != "http://events.tools" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	t.Setenv("MSTEAMS_URL", "")
	if cfg, err = parseFlags(nil, io.Discard); err != nil || cfg.alerts.destination() != nil {
		t.Errorf("%v: without an address nobody is alerted, got %+v", err, cfg.alerts.destination())
	}
	_, err = parseFlags([]string{"-slack-url=services/hush-hush"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "-slack-url or SLACK_URL is not a URL") || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}
