package xds_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/sluice-mesh/sluice/pkg/xds"
	"github.com/sluice-mesh/sluice/test/fields"
	"github.com/sluice-mesh/sluice/test/realenvoy"
)

// TestEnvoyAcceptsEveryRow gives what every world with its row becomes to a real Envoy.
func TestEnvoyAcceptsEveryRow(t *testing.T) {
	all := newCollection(t)
	for _, suite := range suites(t) {
		for _, c := range suite.Cases {
			if c.With == nil {
				continue
			}
			with, _, err := outcomes(suite.World, c)
			if err != nil {
				t.Fatalf("%s: %v", c, err)
			}
			all.addAll(t, c.String(), with)
		}
	}
	all.validate(t)
}

// TestRowsTogether gives worlds several rows at once, in ways that no case foresees: they may contradict each other, which
// may be a problem for their owner, but never for Envoy.
func TestRowsTogether(t *testing.T) {
	for kind, suite := range suites(t) {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				cases := rapid.SliceOfN(rapid.SampledFrom(suite.Cases), 2, 8).Draw(t, "cases")
				if _, err := together(suite.World, cases); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestEnvoyAcceptsRowsTogether gives some of them to a real Envoy, always the same.
func TestEnvoyAcceptsRowsTogether(t *testing.T) {
	const worlds = 30
	all := newCollection(t)
	for kind, suite := range suites(t) {
		random := rand.New(rand.NewPCG(1, 2))
		for i := range worlds {
			var cases []fields.Case
			for range 8 {
				cases = append(cases, suite.Cases[random.IntN(len(suite.Cases))])
			}
			got, err := together(suite.World, cases)
			if err != nil {
				t.Fatal(err)
			}
			all.addAll(t, fmt.Sprintf("%s %d: %s", kind, i, cases), got)
		}
	}
	all.validate(t)
}

func together(w fields.World, cases []fields.Case) (fields.Outcome, error) {
	w, err := w.With(cases...)
	if err != nil {
		return fields.Outcome{}, err
	}
	// Translate validates: constraints of Envoy's API, unique names and domains, no reference to nothing.
	return w.Outcome()
}

// collection is one configuration of many, because a process for each would take minutes. What several have alike is in
// it once.
type collection struct {
	envoy     string
	bootstrap *bootstrapv3.Bootstrap
	// seen are contents and names.
	seen map[string]bool
}

func newCollection(t *testing.T) *collection {
	t.Helper()
	return &collection{envoy: realenvoy.Path(t), seen: map[string]bool{}}
}

func (a *collection) addAll(t *testing.T, from string, o fields.Outcome) {
	t.Helper()
	for proxy, r := range o.Resources {
		b, err := xds.Static(r)
		if err != nil {
			t.Fatalf("%s: %v", from, err)
		}
		a.add(proxy+" of "+from, b)
	}
}

// validate loads the configuration as Envoy would.
func (a *collection) validate(t *testing.T) {
	t.Helper()
	text, err := protojson.Marshal(a.bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "envoy.json")
	if err := os.WriteFile(file, realenvoy.WithCertificates(t, text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(a.envoy, "--mode", "validate", "--log-level", "warning", "-c", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(strings.ToLower(line), "deprecated") {
			t.Errorf("envoy will stop accepting this: %s", line)
		}
	}
	t.Logf("%d listeners and %d clusters", len(a.bootstrap.StaticResources.Listeners), len(a.bootstrap.StaticResources.Clusters))
}

// add takes over what is new. The name, which Envoy tells with what it refuses, says where it comes from.
func (a *collection) add(from string, b *bootstrapv3.Bootstrap) {
	if a.bootstrap == nil {
		a.bootstrap = proto.Clone(b).(*bootstrapv3.Bootstrap)
		a.bootstrap.StaticResources = &bootstrapv3.Bootstrap_StaticResources{}
	}
	into := a.bootstrap.StaticResources
	for _, c := range b.StaticResources.Clusters {
		if a.isNew(c) {
			c.Name = a.unique(c.GetName(), from)
			into.Clusters = append(into.Clusters, c)
		}
	}
	for _, s := range b.StaticResources.Secrets {
		if a.isNew(s) {
			s.Name = a.unique(s.GetName(), from)
			into.Secrets = append(into.Secrets, s)
		}
	}
	for _, l := range b.StaticResources.Listeners {
		if a.isNew(l) {
			l.Name = a.unique(l.GetName(), from)
			// Envoy refuses two listeners on one port.
			const firstPort = 1024
			for _, address := range append([]*corev3.Address{l.GetAddress()}, additional(l.GetAdditionalAddresses())...) {
				address.GetSocketAddress().PortSpecifier = &corev3.SocketAddress_PortValue{PortValue: uint32(firstPort + len(into.Listeners))}
			}
			into.Listeners = append(into.Listeners, l)
		}
	}
}

func additional[A interface{ GetAddress() *corev3.Address }](list []A) []*corev3.Address {
	out := make([]*corev3.Address, len(list))
	for i, a := range list {
		out[i] = a.GetAddress()
	}
	return out
}

func (a *collection) isNew(m proto.Message) bool {
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	key := fmt.Sprintf("%T %s", m, content)
	if err != nil || a.seen[key] {
		return false
	}
	a.seen[key] = true
	return true
}

// unique leaves the first of a name as it is, so that what refers to it finds one.
func (a *collection) unique(name, from string) string {
	if a.seen[name] {
		name += " from " + from
	}
	a.seen[name] = true
	return name
}
