package node

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestEveryTemplateRendersAndParses(t *testing.T) {
	s := settings{
		Dir: Dir, Name: Name, Socket: Socket(), NodeIP: NodeIP, DNSIP: DNSIP, PodCIDR: PodCIDR, ClusterCIDR: ClusterCIDR,
		CNIBin: "/cache/cni", Shim: "/cache/shim", Runc: "/usr/sbin/runc", Cgroup: Cgroup,
		PauseImage: pauseName, CoreDNSImage: coreDNSName, MetricsImage: metricsName,
		Resolvers: []string{"192.0.2.53"}, BalancerRewrite: BalancerRewrite(),
	}
	for _, dir := range []string{"templates", "manifests"} {
		entries, err := files.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			var values any = s
			if e.Name() == "kubeconfig.yaml" {
				values = map[string]any{"Server": APIServer, "CA": []byte("ca"), "User": "admin", "Cert": []byte("c"), "Key": []byte("k")}
			}
			content, err := render(e.Name(), values)
			if err != nil {
				t.Error(err)
				continue
			}
			checkSyntax(t, e.Name(), content)
		}
	}
}

func checkSyntax(t *testing.T, name string, content []byte) {
	t.Helper()
	switch {
	case strings.HasSuffix(name, ".json"):
		if !json.Valid(content) {
			t.Errorf("%s is not JSON:\n%s", name, content)
		}
	case strings.HasSuffix(name, ".yaml"):
		for _, document := range strings.Split(string(content), "\n---\n") {
			var object map[string]any
			if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil || object["kind"] == nil {
				t.Errorf("%s: %v\n%s", name, err, document)
			}
		}
	case name == "resolv.conf":
		if want := "nameserver 192.0.2.53\n"; string(content) != want {
			t.Errorf("got %q, want %q", content, want)
		}
	}
}

func TestWithoutAResolverNothingIsForwarded(t *testing.T) {
	content, err := render("coredns.yaml", settings{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(content), "forward") {
		t.Error("forwarding to nobody stops CoreDNS from starting")
	}
}

func TestBalancerNamesAreRewrittenToTheService(t *testing.T) {
	re := regexp.MustCompile(balancerRegexp())
	if got := re.FindStringSubmatch("appmesh-gateway.demo.sluice.test."); !slices.Equal(got[1:], []string{"appmesh-gateway", "demo"}) {
		t.Errorf("got %q", got)
	}
	for _, other := range []string{"demo.sluice.test.", "a.b.c.sluice.test.", "a.b.sluicextest."} {
		if re.MatchString(other) {
			t.Errorf("%s should not match", other)
		}
	}
}

func TestResolversLeaveLoopbackOut(t *testing.T) {
	conf := "# by hand\nsearch example\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver ::1\nnameserver 2001:db8::1\n"
	if got, want := resolvers(conf), []string{"192.0.2.1", "2001:db8::1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMountsComeOutInnermostFirst(t *testing.T) {
	info := `36 35 98:0 / / rw - ext4 /dev/vda rw
40 36 0:40 / /var/lib/sluice-cluster/a rw shared:1 - tmpfs tmpfs rw
41 40 0:41 / /var/lib/sluice-cluster/a/b\040c rw - overlay overlay rw
42 36 0:42 / /var/lib/sluice-cluster-other rw - tmpfs tmpfs rw
43 36 0:43 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
`
	mounts := parseMounts(info)
	if got, want := below(mounts, Dir), []string{Dir + "/a/b c", Dir + "/a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if last := mounts[len(mounts)-1]; last.kind != "cgroup" {
		t.Errorf("got kind %q", last.kind)
	}
}

func TestHasTable(t *testing.T) {
	list := "table ip kube-proxy\ntable ip6 kube-proxy-other\n"
	if !hasTable(list, "ip kube-proxy") || hasTable(list, "ip6 kube-proxy") {
		t.Error("names must match whole")
	}
}

func TestMissingIsOneClearSentence(t *testing.T) {
	wanted := []Need{{Program: "surely-not-installed", Package: "p", Why: "it is needed"}, {Program: "sh", Package: "dash", Why: "x"}}
	if got, want := explain(missing(wanted)), "surely-not-installed (it is needed)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStateIsHealthyOnlyWhenWhole(t *testing.T) {
	s := State{Exists: true}
	for range daemonCount {
		s.Daemons = append(s.Daemons, DaemonState{Name: "d", Alive: true})
	}
	if !s.Healthy() {
		t.Error("all alive and answering should be healthy")
	}
	s.Daemons[2].Alive = false
	if s.Healthy() || !strings.Contains(s.String(), "broken") {
		t.Errorf("one dead daemon should show: %s", s)
	}
	p := newPrograms(make([]string, len(componentNames)))
	started := []daemon{
		p.etcdDaemon(), p.apiserverDaemon(), p.controllersDaemon(), p.schedulerDaemon(),
		p.containerdDaemon(), p.kubeletDaemon(), p.proxyDaemon(), balancerDaemon(""),
	}
	if len(started) != daemonCount {
		t.Errorf("daemonCount is %d, but %d are started", daemonCount, len(started))
	}
}
