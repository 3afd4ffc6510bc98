package mesh_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// What holds for every cluster, however odd its objects: these laws try snapshots that no schema would let pass.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := snapshots(t)
		m, problems := mesh.Build(s)

		shuffled := shuffle(s, rapid.Uint64().Draw(t, "seed"))
		again, same := mesh.Build(shuffled)
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatalf("the model depends on the order of the lists:\n%s", diff)
		}
		if diff := cmp.Diff(text(problems), text(same)); diff != "" {
			t.Fatalf("the problems depend on the order of the lists:\n%s", diff)
		}
		if diff := cmp.Diff(m.Endpoints, mesh.BuildEndpoints(s, m)); diff != "" {
			t.Fatalf("endpoints built alone differ:\n%s", diff)
		}
		podless := s
		podless.Pods = nil
		without, _ := mesh.Build(podless)
		without.Endpoints = mesh.BuildEndpoints(s, without)
		if diff := cmp.Diff(m, without); diff != "" {
			t.Fatalf("pods decide more than endpoints:\n%s", diff)
		}
		if got, want := len(mesh.Conditions(s, problems)), len(s.Meshes)+len(s.VirtualNodes)+len(s.VirtualServices)+
			len(s.VirtualRouters)+len(s.VirtualGateways)+len(s.GatewayRoutes); got != want {
			t.Fatalf("%d conditions for %d objects", got, want)
		}
		weightsAreKept(t, s, m)
		for _, id := range m.Proxies() {
			// Translate validates: constraints of Envoy's API, unique names and domains, no reference to nothing.
			if _, err := xds.Translate(m, id); err != nil {
				t.Fatalf("%v", err)
			}
		}
	})
}

// TestStrangersDoNotMatter holds that no cluster around it, however odd its objects, changes a byte of what the proxies of
// a mesh are sent.
func TestStrangersDoNotMatter(t *testing.T) {
	docs, _ := goodAndBroken(t)
	good := parse(t, docs)
	alone, _ := mesh.Build(good)
	rapid.Check(t, func(t *rapid.T) {
		s := together(good, snapshots(t))
		m, _ := mesh.Build(s)
		for _, id := range alone.Proxies() {
			was, now := must(xds.Translate(alone, id)), must(xds.Translate(m, id))
			for _, url := range []string{resource.ListenerType, resource.RouteType, resource.ClusterType, resource.EndpointType} {
				if was.Version(url) != now.Version(url) {
					t.Fatalf("%s of %s changed: %s", url, id, cmp.Diff(was, now, protocmp.Transform()))
				}
			}
		}
	})
}

func must(r *xds.Resources, err error) *xds.Resources {
	if err != nil {
		panic(err)
	}
	return r
}

// together is a cluster with the objects of both.
func together(a, b mesh.Snapshot) mesh.Snapshot {
	va, vb := reflect.ValueOf(&a).Elem(), reflect.ValueOf(b)
	for i := range va.NumField() {
		if va.Field(i).Kind() == reflect.Slice {
			both := reflect.AppendSlice(reflect.MakeSlice(va.Field(i).Type(), 0, 0), va.Field(i))
			va.Field(i).Set(reflect.AppendSlice(both, vb.Field(i)))
		}
	}
	return a
}

// weightsAreKept finds every target of a router that resolves in the model, with its weight.
func weightsAreKept(t *rapid.T, s mesh.Snapshot, m *mesh.Model) {
	for _, service := range m.Services {
		for _, port := range service.Ports {
			for _, route := range port.Routes {
				for _, target := range route.Targets {
					if m.Cluster(target.Cluster) == nil {
						t.Fatalf("%s leads to %s, which is not there", service.ID, target.Cluster)
					}
				}
				want := declaredWeights(s, route)
				if want != nil && len(route.Targets) == len(want) {
					for i := range want {
						if route.Targets[i].Weight != want[i] {
							t.Fatalf("%s: weights %v became %v", service.ID, want, route.Targets)
						}
					}
				}
			}
		}
	}
}

func declaredWeights(s mesh.Snapshot, route mesh.Route) []uint32 {
	for _, router := range s.VirtualRouters {
		if len(route.Sources) != 1 || route.Sources[0] != (mesh.ObjectRef{Kind: mesh.KindVirtualRouter, Namespace: router.Namespace, Name: router.Name}) {
			continue
		}
		// Of two routes of one name the first counts.
		i := slices.IndexFunc(router.Spec.Routes, func(r appmeshv1beta2.Route) bool { return r.Name == route.Name })
		if i < 0 || router.Spec.Routes[i].HTTPRoute == nil {
			return nil
		}
		var out []uint32
		for _, target := range router.Spec.Routes[i].HTTPRoute.Action.WeightedTargets {
			out = append(out, uint32(target.Weight))
		}
		return out
	}
	return nil
}

func text(problems []mesh.Problem) []string {
	out := make([]string, len(problems))
	for i, p := range problems {
		out[i] = fmt.Sprintf("%s %s %v %v %v", p.Object, p.Reason, p.Err, p.Transient, p.Blocking)
	}
	return out
}

func shuffle(s mesh.Snapshot, seed uint64) mesh.Snapshot {
	r := rand.New(rand.NewPCG(seed, seed))
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		list := v.Field(i)
		if list.Kind() != reflect.Slice {
			continue
		}
		mixed := reflect.MakeSlice(list.Type(), list.Len(), list.Len())
		reflect.Copy(mixed, list)
		swap := reflect.Swapper(mixed.Interface())
		r.Shuffle(mixed.Len(), swap)
		list.Set(mixed)
	}
	return s
}
