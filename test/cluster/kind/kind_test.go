package kind

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestCommands(t *testing.T) {
	c := Cluster{Dir: "/cache/kind"}
	for name, c := range map[string]struct{ got, want []string }{
		"create": {c.createArgs(), strings.Fields("create cluster --name sluice --kubeconfig /cache/kind/kubeconfig --config - --wait 120s")},
		"delete": {c.deleteArgs(), strings.Fields("delete cluster --name sluice --kubeconfig /cache/kind/kubeconfig")},
		"lb": {
			balancerArgv("/cache/kind/cluster", c.Kubeconfig(), "172.18.255.200-172.18.255.250", ""),
			[]string{
				"/cache/kind/cluster", "lb", "--kubeconfig", "/cache/kind/kubeconfig",
				"--addresses", "172.18.255.200-172.18.255.250", "--hosts", "",
				"--announce", "docker exec sluice-control-plane ip address replace %s/32 dev eth0",
			},
		},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: got %q, want %q", name, c.got, c.want)
		}
	}
}

func TestConfigParses(t *testing.T) {
	var object struct {
		Kind    string   `json:"kind"`
		Patches []string `json:"kubeadmConfigPatches"`
	}
	if err := yaml.Unmarshal([]byte(config), &object); err != nil || object.Kind != "Cluster" || len(object.Patches) != 1 {
		t.Fatalf("got %+v, %v", object, err)
	}
	var patch map[string]any
	if err := yaml.Unmarshal([]byte(object.Patches[0]), &patch); err != nil || patch["kind"] != "ClusterConfiguration" {
		t.Errorf("got %v, %v", patch, err)
	}
}

func TestBalancerRange(t *testing.T) {
	for subnets, want := range map[string]string{
		"fc00:f853:ccd:e793::/64 172.18.0.0/16 ": "172.18.255.200-172.18.255.250",
		"192.168.5.0/24":                         "192.168.5.200-192.168.5.250",
		"172.16.0.0/20":                          "172.16.15.200-172.16.15.250",
		"10.0.0.0/28":                            "",
		"":                                       "",
	} {
		got, err := balancerRange(subnets)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("balancerRange(%q) = %q, %v; want %q", subnets, got, err, want)
		}
	}
}

func TestRewriteIsAddedOnce(t *testing.T) {
	corefile := ".:53 {\n    errors\n    forward . /etc/resolv.conf {\n    }\n}\n"
	once := withRewrite(corefile)
	if !strings.HasPrefix(once, ".:53 {\n    rewrite stop {\n") || !strings.HasSuffix(once, "    errors\n    forward . /etc/resolv.conf {\n    }\n}\n") {
		t.Errorf("got\n%s", once)
	}
	if twice := withRewrite(once); twice != once {
		t.Errorf("a second time gave\n%s", twice)
	}
}
