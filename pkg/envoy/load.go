package envoy

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// loadTTL is how long the callers of a virtual node report after somebody last asked about it.
const loadTTL = 30 * time.Second

// Load is what the proxies of one replica counted of their requests to a virtual node. The counts only grow.
type Load struct {
	// Node is the virtual node that was called.
	Node mesh.ObjectRef `json:"node"`
	// Epoch names one series of counts: those of another begin at zero.
	Epoch string `json:"epoch"`
	// Age is how long ago the series began, in nanoseconds.
	Age time.Duration `json:"age"`
	// Callers is how many proxies are asked to report now.
	Callers int `json:"callers"`
	LoadCounts
}

// loads keeps what callers count of the virtual nodes that somebody asks about. When nobody does, nobody counts.
type loads struct {
	store *store
	// ttl is loadTTL, unless a test is in a hurry.
	ttl time.Duration
	// instance tells the epochs of this process from those of others.
	instance string

	mu    sync.Mutex
	nodes map[mesh.ObjectRef]*load
	// clusters are those of the nodes in the published model, by name.
	clusters map[string]*load
	// reporters are the open streams of those who told who they are, one per pod.
	reporters map[PodIdentity]*reporter
	interval  time.Duration
	epochs    int
	// forgetting runs while there are nodes.
	forgetting *time.Timer
}

// load is the state of a Load.
type load struct {
	epoch        string
	since, until time.Time
	callers      int
	counts       LoadCounts
}

func newLoads(s *store) *loads {
	return &loads{
		store: s, ttl: loadTTL, instance: rand.Text(), interval: loadInterval,
		nodes: map[mesh.ObjectRef]*load{}, reporters: map[PodIdentity]*reporter{},
	}
}

// Loads returns what this replica's proxies counted of their requests to virtual nodes, and makes them count for some
// time more. Of a node that was not asked about lately there is nothing yet.
func (s *Server) Loads(nodes []mesh.ObjectRef) []Load { return s.loads.of(nodes, time.Now()) }

func (l *loads) of(nodes []mesh.ObjectRef, now time.Time) []Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	news := false
	for _, node := range nodes {
		if l.nodes[node] == nil {
			l.epochs++
			l.nodes[node] = &load{epoch: fmt.Sprintf("%s/%d", l.instance, l.epochs), since: now}
			news = true
		}
		l.nodes[node].until = now.Add(l.ttl)
	}
	if news {
		l.review()
	}
	if l.forgetting == nil && len(l.nodes) > 0 {
		l.forgetting = time.AfterFunc(l.ttl, l.forget)
	}
	out := make([]Load, 0, len(nodes))
	for _, node := range nodes {
		state := l.nodes[node]
		out = append(out, Load{Node: node, Epoch: state.epoch, Age: now.Sub(state.since), Callers: state.callers, LoadCounts: state.counts})
	}
	return out
}

// forget lets go of the nodes that nobody asks about any more.
func (l *loads) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, now := len(l.nodes), time.Now()
	maps.DeleteFunc(l.nodes, func(_ mesh.ObjectRef, state *load) bool { return !state.until.After(now) })
	if len(l.nodes) < before {
		l.review()
	}
	if len(l.nodes) == 0 {
		l.forgetting = nil
		return
	}
	next := slices.MinFunc(slices.Collect(maps.Values(l.nodes)), func(a, b *load) int { return a.until.Compare(b.until) })
	l.forgetting.Reset(next.until.Sub(now))
}

// published is called when other clusters may lead to the nodes, or other proxies may have them.
func (l *loads) published() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.nodes) > 0 {
		l.review()
	}
}

// review finds out who has to report what, and tells those for whom that changed.
func (l *loads) review() {
	l.clusters = map[string]*load{}
	for _, state := range l.nodes {
		state.callers = 0
	}
	if model := l.store.current(); model != nil && len(l.nodes) > 0 {
		asked := map[mesh.ObjectRef]bool{}
		for node := range l.nodes {
			asked[node] = true
		}
		for name, node := range model.ClustersOf(asked) {
			l.clusters[name] = l.nodes[node]
		}
	}
	wanted, reporting := map[mesh.ProxyID][]string{}, 0
	for _, r := range l.reporters {
		if _, known := wanted[r.proxy]; !known {
			wanted[r.proxy] = l.wanted(r.proxy)
		}
		if len(wanted[r.proxy]) > 0 {
			reporting++
		}
	}
	l.interval = loadIntervalFor(reporting)
	for _, r := range l.reporters {
		l.tell(r, wanted[r.proxy])
	}
}

// wanted lists the clusters that the pods of a proxy have to report on, sorted: it is nobody's business what else they call.
func (l *loads) wanted(proxy mesh.ProxyID) []string {
	if len(l.clusters) == 0 {
		return nil
	}
	var out []string
	for name := range l.store.clusters(proxy) {
		if l.clusters[name] != nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// tell lets a reporter know what to report, if it does not know yet.
func (l *loads) tell(r *reporter, clusters []string) {
	for state := range l.calls(clusters) {
		state.callers++
	}
	interval := l.interval
	if len(clusters) == 0 {
		interval = loadSilence
	}
	if slices.Equal(clusters, r.clusters) && (interval == r.interval || r.interval == 0 && len(clusters) == 0) {
		return
	}
	r.clusters, r.interval = clusters, interval
	if !r.telling { // else it is told this too
		r.telling = true
		go l.inform(r)
	}
}

// inform tells a reporter what it has to report until that does not change meanwhile.
func (l *loads) inform(r *reporter) {
	for {
		clusters, interval := l.order(r)
		r.send(clusters, interval)
		if l.informed(r, clusters, interval) {
			return
		}
	}
}

func (l *loads) informed(r *reporter, clusters []string, interval time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.telling = interval != r.interval || !slices.Equal(clusters, r.clusters)
	return !r.telling
}

// enter begins to hear a pod. An older stream of the same pod ends: a pod is one caller.
func (l *loads) enter(r *reporter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.reporters[r.pod]; old != nil {
		l.drop(old)
		old.end(errMoved)
	}
	l.reporters[r.pod] = r
	l.tell(r, l.wanted(r.proxy))
}

// leave ends what enter began.
func (l *loads) leave(r *reporter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reporters[r.pod] == r {
		l.drop(r)
	}
}

func (l *loads) drop(r *reporter) {
	delete(l.reporters, r.pod)
	for state := range l.calls(r.clusters) {
		state.callers--
	}
}

// calls are the nodes behind clusters.
func (l *loads) calls(clusters []string) map[*load]bool {
	out := map[*load]bool{}
	for _, name := range clusters {
		if state := l.clusters[name]; state != nil {
			out[state] = true
		}
	}
	return out
}

// order is what a reporter is to be told now.
func (l *loads) order(r *reporter) (clusters []string, interval time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.clusters, r.interval
}

// take adds a report of a reporter to the counts, and returns what became of its parts: how many of each outcome.
func (l *loads) take(r *reporter, report []clusterReport) map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reporters[r.pod] != r {
		return nil // its pod has another stream
	}
	outcomes := map[string]int{}
	has := l.store.clusters(r.proxy)
	for _, part := range report {
		state := l.clusters[part.cluster]
		if has[part.cluster] == nil || state == nil {
			// Envoy may report once more what it was just told to forget.
			outcomes[reportUnasked]++
			continue
		}
		outcome := part.judge(l.interval)
		if outcome == reportCounted {
			before, known := r.open[part.cluster]
			state.counts.add(part.since(before, known))
			if r.open == nil {
				r.open = map[string]uint64{}
			}
			r.open[part.cluster] = part.open
		}
		outcomes[outcome]++
	}
	maps.DeleteFunc(r.open, func(cluster string, _ uint64) bool { return l.clusters[cluster] == nil })
	return outcomes
}

// reporting counts the proxies that report now.
func (l *loads) reporting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, r := range l.reporters {
		if len(r.clusters) > 0 {
			n++
		}
	}
	return n
}
