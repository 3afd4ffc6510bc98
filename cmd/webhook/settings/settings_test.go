package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
)

func noEnv(string) string { return "" }

func nodeBootstrap(s Settings) string {
	return s.Inject.Bootstrap(inject.Bootstrap{Kind: inject.KindVirtualNode}, nil)
}

// TestEveryBootstrapIsThere: a pod can ask for any mixture, and gets one of its own.
func TestEveryBootstrapIsThere(t *testing.T) {
	s, err := Parse([]string{"--tracing-sampling-rate=0.1", "--enable-sds", "--sds-uds-path=/run/agent.sock"}, noEnv, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, b := range []inject.Bootstrap{
		{Kind: inject.KindVirtualNode},
		{Kind: inject.KindVirtualNode, StatsTags: true},
		{Kind: inject.KindVirtualGateway, StatsTags: true},
		{Kind: inject.KindVirtualGateway, StatsTags: true, SDS: true},
		{Kind: inject.KindVirtualGateway, Statsd: sluice.StatsdSocket, Tracer: sluice.TracerDatadog},
		{Kind: inject.KindVirtualNode, StatsTags: true, Statsd: sluice.StatsdUDP, Tracer: sluice.TracerOpenTelemetry},
	} {
		text := s.Inject.Bootstrap(b, nil)
		if text == "" || seen[text] {
			t.Errorf("%+v: got %q", b, text)
		}
		if traced := strings.Contains(text, `"numerator":1000`); traced != (b.Tracer != "") {
			t.Errorf("%+v: its share of traced requests is %v in %s", b, traced, text)
		}
		if strings.Contains(text, "/run/agent.sock") != b.SDS {
			t.Errorf("%+v: where is the SDS socket in %s", b, text)
		}
		seen[text] = true
	}
}

// TestProbesAreAdded: the text of a pod with probes is its own, that of others is shared.
func TestProbesAreAdded(t *testing.T) {
	s, err := Parse(nil, noEnv, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	text := s.Inject.Bootstrap(inject.Bootstrap{Kind: inject.KindVirtualNode}, []sluice.Probe{{Path: "/probe/web/liveness", Port: 8080, Target: "/healthz"}})
	if !strings.Contains(text, `"/probe/web/liveness"`) || !strings.Contains(text, "sluice_probe_http_8080") || !json.Valid([]byte(text)) {
		t.Errorf("got %s", text)
	}
	if strings.Contains(nodeBootstrap(s), "15021") {
		t.Error("a pod without probes got the listener for them")
	}
}

func TestMistakesInFlagsGetASentence(t *testing.T) {
	for args, want := range map[string]string{
		"--bogus":                       "flag provided but not defined: -bogus; --help lists the settings",
		"extra":                         `"extra" is not a setting; settings start with --, see --help`,
		"--certificates=vault":          "--certificates=vault is neither self nor external",
		"--image-pull-policy=Sometimes": "--image-pull-policy=Sometimes is not Always, IfNotPresent or Never",
		"--mesh-address=mesh":           "--mesh-address=mesh is not host:port: address mesh: missing port in address",
		"--mesh-address=mesh:0":         "--mesh-address=mesh:0 is not host:port, such as sluice-mesh.sluice-system.svc.cluster.local:18000",
		"--mesh-address=:1":             "--mesh-address=:1 is not host:port, such as sluice-mesh.sluice-system.svc.cluster.local:18000",
		"--cpu-request=much":            "check the injection settings: cpuRequest: Invalid value",
		"--ignored-ports=22,0":          "check the injection settings: egressIgnoredPorts[1]: Invalid value",
		"--shutdown-delay=-1s":          "--shutdown-delay=-1s is negative",
		"--rule=SL999=Off":              `there is no rule "SL999"; the ids are those of docs/rules, such as SL004`,
		"--rule=SL004=Loud":             `"Loud" is no severity of SL004; write SL004=Deny, SL004=Warn or SL004=Off`,
		"--enable-jaeger-tracing --enable-xray-tracing": "Envoy only supports a single tracer instance. Please choose between Jaeger, Datadog or X-Ray.",
		"--statsd-address=datadog":                      "telemetry.STATSD_ADDRESS: Invalid value",
		"--tracing-sampling-rate=5":                     "--tracing-sampling-rate=5 is not from 0 to 1",
		"--proxy-image=":                                "proxyImage: Required value",
		"--port=https --bogus-is-second":                `invalid value "https" for flag -port`,
	} {
		t.Run(args, func(t *testing.T) {
			_, err := Parse(strings.Fields(args), noEnv, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	s, err := Parse([]string{"--ignored-ips=", "--ignored-ports=22, 443"}, func(string) string { return "mesh-system" }, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Namespace != "mesh-system" || !strings.Contains(nodeBootstrap(s), "sluice-mesh.mesh-system.svc.cluster.local") {
		t.Errorf("the namespace is not where the pod runs: %s, %s", s.Namespace, nodeBootstrap(s))
	}
	if len(s.Inject.EgressIgnoredIPs) != 0 || strings.Join(s.Inject.EgressIgnoredPorts, ",") != "22,443" {
		t.Errorf("lists: %v %v", s.Inject.EgressIgnoredIPs, s.Inject.EgressIgnoredPorts)
	}
}

func TestIPv6FollowsThePod(t *testing.T) {
	for ips, want := range map[string]bool{"": false, "10.0.0.1": false, "10.0.0.1,fd00::1": true, "fd00::1": true, "nonsense": false} {
		s, err := Parse(nil, func(name string) string { return map[string]string{"POD_IPS": ips}[name] }, &bytes.Buffer{})
		if err != nil || strings.Contains(nodeBootstrap(s), `"additional_addresses"`) != want {
			t.Errorf("POD_IPS=%q: %v, want %v in\n%s", ips, err, want, nodeBootstrap(s))
		}
	}
}

func TestHelpTeaches(t *testing.T) {
	var out bytes.Buffer
	if _, err := Parse([]string{"--help"}, noEnv, &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"KUBECONFIG", "sluice-ca", "-proxy-image", "-shutdown-delay"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("--help does not mention %s", want)
		}
	}
}
