package peer

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// RouterAnswer is what the replicas that answered say together.
type RouterAnswer struct {
	envoy.RouterStatus
	// Silent are the replicas that did not answer. What their proxies have is not known.
	Silent []Silence
}

// Silence is a replica that did not answer.
type Silence struct {
	Replica netip.Addr
	Err     error
}

// Told joins silences into an error; nil if there are none.
func Told(silent []Silence) error {
	var words []string
	for _, s := range silent {
		words = append(words, fmt.Sprintf("replica %s does not answer: %v", s.Replica, s.Err))
	}
	if len(words) == 0 {
		return nil
	}
	slices.Sort(words)
	return fmt.Errorf("%s", strings.Join(words, "; "))
}

// joinRouters joins what replicas say of a router. Who calls it is known best by those that serve its newest generation;
// a pod that more than one replica lists is that of the newest stream. It is pure.
func joinRouters(router mesh.ObjectRef, all []envoy.RouterStatus) envoy.RouterStatus {
	out := envoy.RouterStatus{Router: router}
	for _, s := range all {
		if s.Published.Number > out.Published.Number {
			out.Published = s.Published
		}
	}
	callers := map[mesh.ProxyID]bool{}
	for _, s := range all {
		if s.Published == out.Published {
			for _, id := range s.Callers {
				callers[id] = true
			}
		}
	}
	newest := map[envoy.PodIdentity]envoy.RouterProxy{}
	for _, s := range all {
		for _, p := range s.Proxies {
			if callers[p.Proxy] && !newest[p.Pod].Since.After(p.Since) {
				newest[p.Pod] = p
			}
		}
	}
	for id := range callers {
		out.Callers = append(out.Callers, id)
	}
	slices.SortFunc(out.Callers, mesh.ProxyID.Compare)
	for _, p := range newest {
		out.Proxies = append(out.Proxies, p)
	}
	slices.SortFunc(out.Proxies, func(a, b envoy.RouterProxy) int { return comparePods(a.Pod, b.Pod) })
	return out
}

// joinProxies joins lists of proxies, by the newest stream of each pod. It is pure.
func joinProxies(all [][]envoy.ProxyStatus) []envoy.ProxyStatus {
	newest := map[envoy.PodIdentity]envoy.ProxyStatus{}
	for _, list := range all {
		for _, p := range list {
			if !newest[p.Pod].Since.After(p.Since) {
				newest[p.Pod] = p
			}
		}
	}
	var out []envoy.ProxyStatus
	for _, p := range newest {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b envoy.ProxyStatus) int { return comparePods(a.Pod, b.Pod) })
	return out
}

func comparePods(a, b envoy.PodIdentity) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}
