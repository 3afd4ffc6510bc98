package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/sluice-mesh/sluice/test/podnet"
)

func environment(pairs ...string) func(string) string {
	env := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return env[name] }
}

func TestCommandLine(t *testing.T) {
	tests := map[string]struct {
		args       []string
		env        []string
		code       int
		out, error string
	}{
		"help teaches":          {[]string{"--help"}, nil, 0, "APPMESH_APP_PORTS", ""},
		"print changes nothing": {[]string{"--print"}, []string{"APPMESH_APP_PORTS", "8080"}, 0, "tcp dport 8080 redirect to :15000", ""},
		"an unknown flag":       {[]string{"--force"}, nil, 2, "", "see proxyinit --help"},
		"an argument":           {[]string{"start"}, nil, 2, "", "see proxyinit --help"},
		"a bad variable":        {nil, []string{"APPMESH_APP_PORTS", "http"}, 2, "", `"http" is not a port`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(tc.args, environment(tc.env...), &stdout, &stderr)
			if code != tc.code || !strings.Contains(stdout.String(), tc.out) || !strings.Contains(stderr.String(), tc.error) {
				t.Errorf("got %d, %q, %q", code, stdout.String(), stderr.String())
			}
		})
	}
}

// TestVerify: the same program that redirects in one pod finds out in another whether somebody did, before and after.
func TestVerify(t *testing.T) {
	pod, outside := podnet.New(t), podnet.New(t)
	podnet.Connect(t, pod, outside)
	env := environment("APPMESH_APP_PORTS", "8080", "APPMESH_ENABLE_IPV6", "1")
	if code, said := runIn(t, pod, env, "--verify"); code != exitMissing || !strings.Contains(said, "no redirection in table ip sluice") ||
		!strings.Contains(said, "delete this pod") {
		t.Errorf("before: got %d, %s", code, said)
	}
	if code, said := runIn(t, pod, environment("APPMESH_APP_PORTS", "8080")); code != exitDone {
		t.Fatalf("redirect IPv4: got %d, %s", code, said)
	}
	if code, said := runIn(t, pod, env, "--verify"); code != exitMissing || !strings.Contains(said, "no redirection in table ip6 sluice") {
		t.Errorf("IPv4 alone, in a pod that IPv6 reaches: got %d, %s", code, said)
	}
	if code, said := runIn(t, pod, env); code != exitDone {
		t.Fatalf("redirect: got %d, %s", code, said)
	}
	for range 2 { // init containers may run again
		if code, said := runIn(t, pod, env, "--verify"); code != exitDone || said != "the traffic of this pod is redirected\n" {
			t.Errorf("after: got %d, %s", code, said)
		}
	}
}

func runIn(t *testing.T, ns netns.NsHandle, env func(string) string, args ...string) (code int, said string) {
	t.Helper()
	podnet.In(t, ns, func() {
		var out bytes.Buffer
		code = run(args, env, &out, &out)
		said = out.String()
	})
	return code, said
}
