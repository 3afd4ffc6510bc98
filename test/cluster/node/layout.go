package node

import "path/filepath"

// Dir holds all that a running cluster has on disk. It is outside of anybody's
// home because the processes that use it belong to root and to the machine.
const Dir = "/var/lib/sluice-cluster"

// Name is the node's name.
const Name = "sluice"

// Bridge is the network device that carries the node's address. It has no
// ports: an address on it is reachable from the host and from every pod, and
// stays when the machine's own network changes.
const Bridge = "sluice0"

// Addresses. 10.213.0.0/16 is split so that the parts cannot overlap.
const (
	NodeIP      = "10.213.0.1"
	NodePrefix  = NodeIP + "/24" // also covers the addresses of LoadBalancer Services
	BalancerIPs = "10.213.0.100-10.213.0.250"
	ServiceCIDR = "10.213.16.0/20"
	APIIP       = "10.213.16.1" // of the Service default/kubernetes: the first of the range
	DNSIP       = "10.213.16.10"
	PodCIDR     = "10.213.32.0/19"
	ClusterCIDR = "10.213.0.0/16"
)

// Ports of the daemons, on NodeIP or on loopback. etcd's differ from the usual
// ones, so that an etcd that a developer runs does not get in the way.
const (
	apiPort      = "6443"
	etcdPort     = "23790"
	etcdPeerPort = "23800"
)

// APIServer is where the API answers.
const APIServer = "https://" + NodeIP + ":" + apiPort

// Kubeconfig is the administrator's.
func Kubeconfig() string { return filepath.Join(Dir, "kubeconfig") }

// Socket is containerd's.
func Socket() string { return filepath.Join(Dir, "run", "containerd.sock") }

// LogDir holds one log per daemon.
func LogDir() string { return filepath.Join(Dir, "logs") }

func path(elem ...string) string { return filepath.Join(append([]string{Dir}, elem...)...) }
