package main

import (
	"flag"
	"slices"
	"strings"
	"testing"
)

func TestHelpTeachesEveryVerb(t *testing.T) {
	text := overview()
	for _, v := range verbs() {
		if v.run == nil || v.summary == "" {
			t.Errorf("%s lacks what to do or to say", v.name)
		}
		if shown := strings.Contains(text, "\n  "+v.name); shown == v.hidden {
			t.Errorf("%s: shown %v, hidden %v", v.name, shown, v.hidden)
		}
	}
}

func TestFlagsMayStandAnywhere(t *testing.T) {
	flags := flag.NewFlagSet("images", flag.ContinueOnError)
	noLoad := flags.Bool("no-load", false, "")
	tag := flags.String("tag", "dev", "")
	rest, err := parseMixed(flags, []string{"sluice", "--no-load", "podinfo:3.1.0", "--tag", "v1"})
	if err != nil {
		t.Fatal(err)
	}
	if !*noLoad || *tag != "v1" || !slices.Equal(rest, []string{"sluice", "podinfo:3.1.0"}) {
		t.Errorf("got %v %v %q", *noLoad, *tag, rest)
	}
}

func TestImageNames(t *testing.T) {
	got, err := imageNames([]string{"podinfo:3.1.0", "podinfo:3.1.1", "sluice"})
	if err != nil || !slices.Equal(got, []string{"podinfo", "sluice"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := imageNames([]string{"envoy"}); err == nil || !strings.Contains(err.Error(), "sluice-proxy") {
		t.Errorf("an unknown image should name the known ones, got %v", err)
	}
}
