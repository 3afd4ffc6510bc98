package envoy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// State says how the Envoy of a pod and the control plane stand to each other.
type State string

// States.
const (
	// Synced: it has acknowledged all it was sent.
	Synced State = "synced"
	// Stale: it has not acknowledged something, or was sent nothing yet.
	Stale State = "stale"
	// Rejected: it refuses a part of what it was sent, and keeps what it had in its place.
	Rejected State = "rejected"
	// NotConnected: it is ours, and no replica has a stream from it.
	NotConnected State = "not-connected"
	// Foreign: it is not ours, so that nobody configures it any more.
	Foreign State = "foreign"
)

// Sighting is a pod with an Envoy in it, as the cluster shows it.
type Sighting struct {
	// Pod has no service account here.
	Pod PodIdentity
	// Proxy is what the pod is bound to, unless the Envoy is Foreign.
	Proxy   mesh.ProxyID
	Foreign bool
	// Since is when the pod came to be.
	Since time.Time
	// Note is what else is to be said of a pod that is foreign, or not connected.
	Note string
}

// ProxyState is the state of one pod's Envoy.
type ProxyState struct {
	Namespace string        `json:"namespace"`
	Pod       string        `json:"pod"`
	Proxy     *mesh.ProxyID `json:"proxy,omitempty"`
	State     State         `json:"state"`
	// Since is when it was sent what it has acknowledged, or has not; or when the pod came to be.
	Since time.Time `json:"since,omitzero"`
	// Replica of mesh that it is connected to.
	Replica string `json:"replica,omitempty"`
	// Message is why it is not synced.
	Message string `json:"message,omitempty"`
	// Types is keyed by clusters, endpoints, listeners and routes.
	Types map[string]TypeStatus `json:"types,omitempty"`
}

// States judges the Envoys of pods by what each replica of mesh says of the proxies connected to it, sorted by pod. It
// is pure. A proxy whose pod is not among the pods is left out: it is gone, or nobody asked for it.
func States(pods []Sighting, replicas map[string][]ProxyStatus) []ProxyState {
	type connection struct {
		ProxyStatus
		replica string
	}
	connected := map[string]connection{}
	for _, replica := range slices.Sorted(maps.Keys(replicas)) {
		for _, p := range replicas[replica] {
			// A pod that moved to another replica counts by its newest stream.
			if old, known := connected[p.Pod.UID]; !known || p.Since.After(old.Since) {
				connected[p.Pod.UID] = connection{p, replica}
			}
		}
	}
	out := make([]ProxyState, 0, len(pods))
	for _, pod := range pods {
		s := ProxyState{Namespace: pod.Pod.Namespace, Pod: pod.Pod.Name, Since: pod.Since, Message: pod.Note}
		c, ok := connected[pod.Pod.UID]
		switch {
		case pod.Foreign:
			s.State = Foreign
		case !ok:
			s.State = NotConnected
			if pod.Proxy != (mesh.ProxyID{}) {
				s.Proxy = &pod.Proxy
			}
		default:
			s.Proxy, s.Replica, s.Types = &c.Proxy, c.replica, c.Types
			s.State, s.Since, s.Message = c.state()
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b ProxyState) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.State, b.State))
	})
	return out
}

// state is that of a connected proxy, with the time since when and the reason.
func (p ProxyStatus) state() (State, time.Time, string) {
	if len(p.Refused) > 0 {
		since, sentences := p.Refused[0].Since, []string{}
		for _, r := range p.Refused {
			// Envoy may end, or break, its lines.
			sentences = append(sentences, fmt.Sprintf("%s %s: %s", r.Type, r.Resource, strings.Join(strings.Fields(r.Error), " ")))
			if r.Since.Before(since) {
				since = r.Since
			}
		}
		return Rejected, since, strings.Join(sentences, "; ")
	}
	if len(p.Types) == 0 {
		return Stale, p.Since, fmt.Sprintf("it was sent nothing yet, because %s is not served; see its condition", p.Proxy)
	}
	var waiting []string
	var oldest, newest time.Time
	for _, name := range slices.Sorted(maps.Keys(p.Types)) {
		t := p.Types[name]
		if t.SentAt.After(newest) {
			newest = t.SentAt
		}
		if t.Acked == t.Sent {
			continue
		}
		waiting = append(waiting, name)
		if oldest.IsZero() || t.SentAt.Before(oldest) {
			oldest = t.SentAt
		}
	}
	if len(waiting) > 0 {
		return Stale, oldest, "it has not acknowledged " + strings.Join(waiting, ", ")
	}
	return Synced, newest, ""
}
