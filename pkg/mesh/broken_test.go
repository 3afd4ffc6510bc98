package mesh_test

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/snapshot"
)

// TestBrokenObjectsCostThemselves adds the broken objects of a case to its good ones, each alone and then all: whatever
// was served before is served as it was. That Envoy takes what comes of all of them is tested with every case.
func TestBrokenObjectsCostThemselves(t *testing.T) {
	good, broken := goodAndBroken(t)
	kinds := map[string]bool{}
	for _, doc := range broken {
		kinds[objectIn(t, doc).Kind] = true
	}
	if lists := reflect.TypeFor[mesh.Snapshot](); len(kinds) != lists.NumField()-settings(lists) {
		t.Errorf("%d kinds are broken; a snapshot has more: %v", len(kinds), kinds)
	}
	build := func(docs ...[]byte) *mesh.Model {
		t.Helper()
		m, _ := mesh.Build(parse(t, slices.Concat(good, docs)))
		return m
	}
	alone := build()
	if len(alone.Nodes) != 3 || len(alone.Gateways) != 1 || len(alone.Services) != 2 || len(alone.Endpoints) != 2 {
		t.Fatalf("the good ones are not served: %+v", alone)
	}
	for _, doc := range broken {
		if lost := lacks(build(doc), alone); len(lost) > 0 {
			t.Errorf("%v are not as they were with\n%s", lost, doc)
		}
	}
	if lost := lacks(build(broken...), alone); len(lost) > 0 {
		t.Errorf("%v are not as they were with all", lost)
	}
}

// goodAndBroken gives the objects of the case as they are written.
func goodAndBroken(t *testing.T) (good, broken [][]byte) {
	t.Helper()
	text, err := os.ReadFile("testdata/broken.in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range bytes.Split(text, separator) {
		if strings.HasPrefix(objectIn(t, doc).Name, "broken") {
			broken = append(broken, doc)
		} else {
			good = append(good, doc)
		}
	}
	return good, broken
}

var separator = []byte("\n---\n")

func objectIn(t *testing.T, doc []byte) metav1.PartialObjectMetadata {
	t.Helper()
	var object metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(doc, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func parse(t *testing.T, docs [][]byte) mesh.Snapshot {
	t.Helper()
	s, err := snapshot.Parse(bytes.Join(docs, separator))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// settings counts the fields that are no lists.
func settings(s reflect.Type) int {
	n := 0
	for i := range s.NumField() {
		if s.Field(i).Type.Kind() != reflect.Slice {
			n++
		}
	}
	return n
}

// lacks lists what of a model is not the same in another one. That may have more.
func lacks(m, of *mesh.Model) []string {
	var lost []string
	check := func(name string, same bool) {
		if !same {
			lost = append(lost, name)
		}
	}
	for _, s := range of.Services {
		now := m.Service(s.ID)
		check(s.ID.String(), now != nil && reflect.DeepEqual(*now, s))
	}
	for _, c := range of.Clusters {
		now := m.Cluster(c.Name)
		check(c.Name, now != nil && reflect.DeepEqual(*now, c) && reflect.DeepEqual(m.EndpointsOf(c.Name), of.EndpointsOf(c.Name)))
	}
	for _, g := range of.Gateways {
		now := m.Gateway(g.ID)
		check(g.ID.String(), now != nil && reflect.DeepEqual(*now, g))
	}
	for _, n := range of.Nodes {
		now := m.Node(n.ID)
		check(n.ID.String(), now != nil && reflect.DeepEqual(now.Ingress, n.Ingress))
		for _, p := range n.Egress {
			for _, host := range p.Hosts {
				check(n.ID.String()+" to "+host.Service.String(), now != nil && slices.ContainsFunc(now.Egress, func(q mesh.EgressPort) bool {
					return q.Port == p.Port && q.Protocol == p.Protocol && slices.ContainsFunc(q.Hosts, func(h mesh.EgressHost) bool { return reflect.DeepEqual(h, host) })
				}))
			}
		}
	}
	return lost
}
