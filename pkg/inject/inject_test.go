package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

var (
	nodeTarget    = Target{Kind: KindVirtualNode, Namespace: "demo", Name: "podinfo", MeshName: "global", AWSName: "podinfo_demo", Ports: []int32{9898}}
	gatewayTarget = Target{Kind: KindVirtualGateway, Namespace: "demo", Name: "ingress", MeshName: "global", AWSName: "ingress_demo", Ports: []int32{8088}}
)

func TestEveryReasonHasASentence(t *testing.T) {
	for reason, sentence := range sentences {
		if sentence == "" || strings.ToUpper(string(reason[:1])) != string(reason[:1]) {
			t.Errorf("%q: %q", reason, sentence)
		}
	}
	if len(sentences) != 17 {
		t.Errorf("%d reasons have a sentence: add the new one, or take it out of the count here", len(sentences))
	}
}

func TestPointerEscapes(t *testing.T) {
	if got := pointer("a/b~c", "d"); got != "/a~1b~0c/d" {
		t.Errorf("got %s", got)
	}
}

func TestOpAsJSON(t *testing.T) {
	tests := map[string]struct {
		op   Op
		want string
	}{
		"a value that is false is still a value": {Op{Op: "add", Path: "/a", Value: false}, `{"op":"add","path":"/a","value":false}`},
		"an empty text is still a value":         {Op{Op: "add", Path: "/a", Value: ""}, `{"op":"add","path":"/a","value":""}`},
		"a removal has none":                     {Op{Op: "remove", Path: "/a"}, `{"op":"remove","path":"/a"}`},
	}
	for name, tc := range tests {
		got, err := json.Marshal(tc.op)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: got %s %v, want %s", name, got, err, tc.want)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	tests := map[string]struct{ raw, want string }{
		"not JSON":            {`{`, "unexpected end of JSON input"},
		"no spec":             {`{"metadata":{}}`, "it has no metadata or no spec"},
		"metadata is null":    {`{"metadata":null,"spec":{}}`, "it has no metadata or no spec"},
		"labels are not text": {`{"metadata":{"labels":{"a":1}},"spec":{}}`, "cannot unmarshal number"},
	}
	for name, tc := range tests {
		if _, err := Decode([]byte(tc.raw), "demo"); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	if err := testConfig().Validate(); err != nil {
		t.Fatalf("the default is refused: %v", err)
	}
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"no image":                        {func(c *Config) { c.ProxyImage = "" }, "proxyImage: Required value"},
		"no bootstrap":                    {func(c *Config) { c.Bootstrap = nil }, "bootstrap: Required value"},
		"a request that is no quantity":   {func(c *Config) { c.CPURequest = "lots" }, `cpuRequest: Invalid value: "lots"`},
		"an address that is a name":       {func(c *Config) { c.EgressIgnoredIPs = []string{"10.0.0.0/8", "metadata"} }, `egressIgnoredIPs[1]: Invalid value: "metadata"`},
		"a port that does not exist":      {func(c *Config) { c.EgressIgnoredPorts = []string{"65536"} }, `egressIgnoredPorts[0]: Invalid value: "65536"`},
		"a level that Envoy has not":      {func(c *Config) { c.LogLevel = "loud" }, `logLevel: Unsupported value: "loud"`},
		"two tracers":                     {func(c *Config) { c.Telemetry.Jaeger, c.Telemetry.Datadog = true, true }, "Envoy only supports a single tracer instance. Please choose between Jaeger, Datadog or X-Ray."},
		"a daemon that has a name":        {func(c *Config) { c.Telemetry.StatsdAddress = "statsd" }, `telemetry.STATSD_ADDRESS: Invalid value: "statsd": want an IP address or ref:status.hostIP`},
		"a collector without an address":  {func(c *Config) { c.Telemetry.Jaeger, c.Telemetry.JaegerAddress = true, "" }, `telemetry.JAEGER_TRACER_ADDRESS: Invalid value`},
		"a socket without a path":         {func(c *Config) { c.SDSSocket = "agent.sock" }, `sdsSocket: Invalid value: "agent.sock"`},
		"a negative number":               {func(c *Config) { c.GatewayConcurrency = -1 }, "gatewayConcurrency: Invalid value: -1"},
		"a delay longer than the drain":   {func(c *Config) { c.DrainDelaySeconds, c.DrainDeadlineSeconds = 30, 20 }, "drainDelaySeconds: Invalid value: 30"},
		"all mistakes are named together": {func(c *Config) { c.ProxyImage, c.LogLevel = "", "loud" }, "[proxyImage: Required value: nothing can be injected without it, logLevel"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := testConfig()
			tc.change(&c)
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// TestUnknownFieldsSurvive: whatever a newer Kubernetes puts into a pod is in it afterwards, unchanged and in its place.
func TestUnknownFieldsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod := drawPod(t)
		raw, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := Decode(raw, "demo")
		if err != nil {
			t.Fatal(err)
		}
		result, err := Patch(decoded, nodeTarget, testConfig())
		if err != nil {
			t.Fatal(err)
		}
		patched := apply(t, raw, result.Ops)
		var got map[string]any
		if err := json.Unmarshal(patched, &got); err != nil {
			t.Fatal(err)
		}
		takeOut(got)
		var want map[string]any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		takeOut(want) // only to drop what is empty
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("the patch changed more than it added (-before +after):\n%s", diff)
		}
	})
}

// drawPod makes a pod with fields that nobody has heard of, at every level.
func drawPod(t *rapid.T) map[string]any {
	pod := drawObject(t, 2)
	metadata, spec := drawObject(t, 2), drawObject(t, 2)
	metadata["name"] = "p"
	if rapid.Bool().Draw(t, "labels") {
		metadata["labels"] = rapid.MapOfN(rapid.StringMatching(`x-[a-z~/]{1,5}`), rapid.String(), 0, 3).Draw(t, "labels")
	}
	if rapid.Bool().Draw(t, "annotations") {
		metadata["annotations"] = rapid.MapOfN(rapid.StringMatching(`x-[a-z~/]{1,5}`), rapid.String(), 0, 3).Draw(t, "annotations")
	}
	for _, list := range []string{"containers", "initContainers", "volumes"} {
		if !rapid.Bool().Draw(t, list) {
			continue
		}
		items := []any{}
		for i := range rapid.IntRange(0, 3).Draw(t, list) {
			item := drawObject(t, 2)
			item["name"] = fmt.Sprintf("x%d", i)
			items = append(items, item)
		}
		spec[list] = items
	}
	pod["metadata"], pod["spec"] = metadata, spec
	return pod
}

func drawObject(t *rapid.T, depth int) map[string]any {
	object := map[string]any{}
	for range rapid.IntRange(0, 3).Draw(t, "fields") {
		key := "x-" + rapid.StringMatching(`[a-zA-Z~/]{1,6}`).Draw(t, "key")
		switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
		case kind == 0 && depth > 0:
			object[key] = drawObject(t, depth-1)
		case kind == 1 && depth > 0:
			object[key] = []any{drawObject(t, depth-1), nil}
		case kind == 2:
			object[key] = nil
		case kind == 3:
			object[key] = json.Number(fmt.Sprint(rapid.Int64().Draw(t, "number")))
		case kind == 4:
			object[key] = rapid.Bool().Draw(t, "bool")
		default:
			object[key] = rapid.String().Draw(t, "text")
		}
	}
	return object
}

// takeOut removes what injection adds, and the maps and lists that are empty then.
func takeOut(pod map[string]any) {
	metadata, spec := pod["metadata"].(map[string]any), pod["spec"].(map[string]any)
	for _, m := range []string{"labels", "annotations"} {
		if object, ok := metadata[m].(map[string]any); ok {
			maps.DeleteFunc(object, func(k string, _ any) bool { return strings.HasPrefix(k, "sluice.dev/") })
			if len(object) == 0 {
				delete(metadata, m)
			}
		}
	}
	ours := []string{containerEnvoy, containerProxyinit, sluice.ProxyVolume, sluice.AdminVolume}
	for _, l := range []string{"initContainers", "volumes", "containers"} {
		list, _ := spec[l].([]any)
		list = slices.DeleteFunc(list, func(v any) bool { return slices.Contains(ours, v.(map[string]any)["name"].(string)) })
		if len(list) == 0 {
			delete(spec, l)
			continue
		}
		spec[l] = list
	}
}

// FuzzPatch: no pod makes it panic, equal input gives equal output, and a patched pod gets no further operations.
func FuzzPatch(f *testing.F) {
	inputs, _ := filepath.Glob("testdata/*.in.yaml")
	for _, in := range inputs {
		text, err := os.ReadFile(in)
		if err != nil {
			f.Fatal(err)
		}
		var c goldenInput
		if err := yaml.Unmarshal(text, &c); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(c.Pod), true)
		f.Add([]byte(c.Pod), false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, gateway bool) {
		target := nodeTarget
		if gateway {
			target = gatewayTarget
		}
		first, ok := operations(raw, target)
		if !ok {
			return
		}
		if again, _ := operations(raw, target); !bytes.Equal(first, again) {
			t.Fatalf("got\n%s\nthen\n%s", first, again)
		}
	})
}

func operations(raw []byte, target Target) ([]byte, bool) {
	pod, err := Decode(raw, "demo")
	if err != nil {
		return nil, false
	}
	index := &Index{}
	_ = index.Set(Candidate{Target: target, Selector: labelled()})
	_ = Decide(pod, nil, index, testConfig())
	result, err := Patch(pod, target, testConfig())
	if err != nil {
		return nil, false
	}
	ops, err := json.Marshal(result)
	return ops, err == nil
}

// TestRedirectionListsAreBounded: what would be too long for whoever writes the rules is refused while its author looks.
func TestRedirectionListsAreBounded(t *testing.T) {
	for n, want := range map[int]string{1000: "", 1001: "annotation appmesh.k8s.aws/ports lists 1001 things; 1000 are the most"} {
		pod := &Pod{Metadata: podMetadata{Annotations: map[string]string{"appmesh.k8s.aws/ports": strings.Repeat("80,", n-1) + "80"}}}
		if _, err := Patch(pod, nodeTarget, testConfig()); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%d: got %v, want %q", n, err, want)
		}
	}
}

// TestSettledOnce: once a pod is injected, who redirects it stays, whatever the settings of the webhook became: two
// versions of it, or kubectl sluice and the webhook, may differ in them.
func TestSettledOnce(t *testing.T) {
	index := &Index{}
	if err := index.Set(Candidate{Target: nodeTarget, Selector: labelled()}); err != nil {
		t.Fatal(err)
	}
	decide := func(raw []byte, mode CNIMode) (*Pod, Decision, Config) {
		pod, err := Decode(raw, "demo")
		if err != nil {
			t.Fatal(err)
		}
		config := testConfig()
		config.CNI = mode
		return pod, Decide(pod, nil, index, config), config
	}
	raw := []byte(`{"metadata":{},"spec":{"containers":[{"name":"app"}]}}`)
	for _, first := range []CNIMode{CNIOff, CNIAlways} {
		pod, d, config := decide(raw, first)
		result, err := Patch(pod, d.Target, config)
		if err != nil {
			t.Fatal(err)
		}
		injected := apply(t, raw, result.Ops)
		for _, second := range []CNIMode{CNIOff, CNINeeded, CNIAlways} {
			pod, again, config := decide(injected, second)
			result, err := Patch(pod, again.Target, config)
			if err != nil || again.Reason != ReasonAlreadyInjected || len(result.Ops) > 0 {
				t.Errorf("%s, then %s: %s, %v %v", first, second, again.Reason, result.Ops, err)
			}
		}
	}
}
