package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
