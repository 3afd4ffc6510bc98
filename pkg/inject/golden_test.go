package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/golden"
)

// goldenInput is a case file.
type goldenInput struct {
	// Config overrides fields of testConfig.
	Config    json.RawMessage
	Namespace struct {
		Name   string
		Labels map[string]string
	}
	Candidates []goldenCandidate
	Pod        json.RawMessage
}

type goldenCandidate struct {
	Target
	Selector *metav1.LabelSelector
}

// index has the candidates, but for those with an error.
func (in goldenInput) index() (index *Index, errs []string) {
	index = &Index{}
	for _, c := range in.Candidates {
		if c.Namespace == "" {
			c.Namespace = in.Namespace.Name
		}
		if err := index.Set(Candidate(c)); err != nil {
			errs = append(errs, err.Error())
		}
	}
	return index, errs
}

// goldenOutput is what a case file gives.
type goldenOutput struct {
	IndexErrors []string        `json:"indexErrors,omitempty"`
	Decision    goldenDecision  `json:"decision"`
	Error       string          `json:"error,omitempty"`
	Warnings    []string        `json:"warnings,omitempty"`
	Operations  []string        `json:"operations,omitempty"`
	Pod         json.RawMessage `json:"pod,omitempty"`
}

type goldenDecision struct {
	Inject   bool     `json:"inject"`
	Deny     bool     `json:"deny,omitempty"`
	Reason   Reason   `json:"reason"`
	Message  string   `json:"message"`
	Target   string   `json:"target,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

func testConfig() Config {
	c := Default()
	c.ProxyImage = "sluice-proxy:test"
	c.Bootstrap = testBootstrap
	return c
}

// testBootstrap shows what it was asked for. The real one is in pkg/xds.
func testBootstrap(b Bootstrap, probes []sluice.Probe) string {
	text := `{"node":"bootstrap"`
	if b.Kind == KindVirtualGateway {
		text = `{"gateway":"bootstrap"`
	}
	if b.StatsTags {
		text += `,"tags":"$(SLUICE_MESH) $(SLUICE_PROXY)"`
	}
	if b.Statsd != "" {
		text += fmt.Sprintf(`,"statsd":%q`, b.Statsd)
	}
	if b.Tracer != "" {
		text += fmt.Sprintf(`,"tracer":%q`, b.Tracer)
	}
	if b.SDS {
		text += `,"sds":true`
	}
	for _, p := range probes {
		text += fmt.Sprintf(`,%q:"tls=%v grpc=%v %d%s"`, p.Path, p.TLS, p.GRPC, p.Port, p.Target)
	}
	return text + "}"
}

func TestGolden(t *testing.T) {
	golden.Run(t, func(t *testing.T, in []byte) []byte {
		out, err := yaml.Marshal(runCase(t, in))
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
}

// runCase decides and patches, and checks the laws that hold for every pod: a hundred times the same bytes, and
// nothing to do for a pod that went through it.
func runCase(t *testing.T, text []byte) goldenOutput {
	t.Helper()
	in, config := goldenInput{}, testConfig()
	if err := yaml.UnmarshalStrict(text, &in); err != nil {
		t.Fatal(err)
	}
	if in.Config != nil {
		if err := yaml.UnmarshalStrict(in.Config, &config); err != nil {
			t.Fatal(err)
		}
	}
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	var out goldenOutput
	index, errs := in.index()
	out.IndexErrors = errs
	pod, err := Decode(in.Pod, in.Namespace.Name)
	if err != nil {
		t.Fatal(err)
	}
	d := Decide(pod, in.Namespace.Labels, index, config)
	out.Decision = goldenDecision{Inject: d.Inject, Deny: d.Deny, Reason: d.Reason, Message: d.Message, Warnings: d.Warnings}
	if d.Target.Kind != "" {
		out.Decision.Target = fmt.Sprintf("%s %s", d.Target.Kind, d.Target.key())
	}
	checkSeenLater(t, in, index, config, d)
	if d.Deny {
		return out
	}
	result, err := Patch(pod, d.Target, config)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.Warnings = result.Warnings
	for _, op := range result.Ops {
		out.Operations = append(out.Operations, op.Op+" "+op.Path)
	}
	checkRepeats(t, in.Pod, in.Namespace.Name, d.Target, config)
	if len(result.Ops) > 0 {
		out.Pod = apply(t, in.Pod, result.Ops)
		checkIdempotent(t, out.Pod, in.Namespace.Name, d.Target, config)
		checkAutoscaling(t, in.Pod, out.Pod, config)
		checkDecidedOnce(t, out.Pod, in, index, config, d)
	}
	return out
}

// checkSeenLater: the pod that the API server would store is judged as the one that it asked about.
func checkSeenLater(t *testing.T, in goldenInput, index *Index, config Config, first Decision) {
	t.Helper()
	var stored corev1.Pod
	if err := json.Unmarshal(in.Pod, &stored); err != nil {
		t.Fatal(err)
	}
	stored.Namespace = in.Namespace.Name
	later := Decide(PodOf(&stored), in.Namespace.Labels, index, config)
	first.Warnings, later.Warnings = nil, nil // of what Patch would do
	if diff := cmp.Diff(first, later); diff != "" {
		t.Errorf("the stored pod is judged otherwise: (-asked +stored)\n%s", diff)
	}
}

func checkRepeats(t *testing.T, raw []byte, namespace string, target Target, config Config) {
	t.Helper()
	var first []byte
	for range 100 {
		if ops := marshalOps(t, raw, namespace, target, config); first == nil {
			first = ops
		} else if !bytes.Equal(ops, first) {
			t.Fatalf("the same pod gives\n%s\nand\n%s", first, ops)
		}
	}
}

func checkIdempotent(t *testing.T, patched []byte, namespace string, target Target, config Config) {
	t.Helper()
	if ops := marshalOps(t, patched, namespace, target, config); string(ops) != "null" {
		t.Errorf("a patched pod is patched again: %s", ops)
	}
}

// checkDecidedOnce: what was injected is recognised, unless its envoy container is the user's own.
func checkDecidedOnce(t *testing.T, patched []byte, in goldenInput, index *Index, config Config, first Decision) {
	t.Helper()
	pod, err := Decode(patched, in.Namespace.Name)
	if err != nil {
		t.Fatal(err)
	}
	again := Decide(pod, in.Namespace.Labels, index, config)
	if first.Inject && pod.hasVolume("sluice-proxy") && again.Reason != ReasonAlreadyInjected {
		t.Errorf("an injected pod is decided as %s", again.Reason)
	}
}

func marshalOps(t *testing.T, raw []byte, namespace string, target Target, config Config) []byte {
	t.Helper()
	pod, err := Decode(raw, namespace)
	if err != nil {
		t.Fatal(err)
	}
	result, err := Patch(pod, target, config)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(result.Ops)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// failer is a test, of the standard library or of rapid.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func apply(t failer, raw []byte, ops []Op) []byte {
	t.Helper()
	text, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := patch.Apply(raw)
	if err != nil {
		t.Fatalf("apply %s: %v", text, err)
	}
	return patched
}
