package node

import "path/filepath"

// programs is where the components lie in the cache.
type programs struct {
	kubernetes, etcd, containerd, cni, coredns, metrics, pause string
}

// names are the components, in the order of programs' fields.
var componentNames = []string{"kubernetes", "etcd", "containerd", "cni", "coredns", "metrics-server", "pause"}

func newPrograms(dirs []string) programs {
	return programs{
		kubernetes: dirs[0], etcd: dirs[1], containerd: dirs[2], cni: dirs[3],
		coredns: dirs[4], metrics: dirs[5], pause: dirs[6],
	}
}

func (p programs) kubectl() string { return filepath.Join(p.kubernetes, "kubectl") }
func (p programs) ctr() string     { return filepath.Join(p.containerd, "ctr") }
func (p programs) shim() string    { return filepath.Join(p.containerd, "containerd-shim-runc-v2") }

func (p programs) etcdDaemon() daemon {
	client := "https://127.0.0.1:" + etcdPort
	peer := "http://127.0.0.1:" + etcdPeerPort
	return daemon{name: "etcd", argv: []string{
		filepath.Join(p.etcd, "etcd"),
		"--name=sluice",
		"--data-dir=" + path("etcd"),
		"--unsafe-no-fsync", // the cluster is thrown away: losing it with the power is fine
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=sluice=" + peer,
		"--client-cert-auth",
		"--trusted-ca-file=" + path("pki", "etcd-ca.crt"),
		"--cert-file=" + path("pki", "etcd.crt"),
		"--key-file=" + path("pki", "etcd.key"),
		"--auto-compaction-retention=5m",
		"--quota-backend-bytes=4294967296",
	}}
}

func (p programs) apiserverDaemon() daemon {
	return daemon{name: "kube-apiserver", argv: []string{
		filepath.Join(p.kubernetes, "kube-apiserver"),
		"--bind-address=" + NodeIP,
		"--advertise-address=" + NodeIP,
		"--secure-port=" + apiPort,
		"--tls-cert-file=" + path("pki", "apiserver.crt"),
		"--tls-private-key-file=" + path("pki", "apiserver.key"),
		"--client-ca-file=" + path("pki", "ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged",
		"--service-cluster-ip-range=" + ServiceCIDR,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + path("pki", "service-accounts.crt"),
		"--service-account-signing-key-file=" + path("pki", "service-accounts.key"),
		"--etcd-servers=https://127.0.0.1:" + etcdPort,
		"--etcd-cafile=" + path("pki", "etcd-ca.crt"),
		"--etcd-certfile=" + path("pki", "etcd.crt"),
		"--etcd-keyfile=" + path("pki", "etcd.key"),
		"--kubelet-client-certificate=" + path("pki", "apiserver.crt"),
		"--kubelet-client-key=" + path("pki", "apiserver.key"),
		"--kubelet-certificate-authority=" + path("pki", "ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		// The aggregation layer, for metrics-server. Routing to endpoints saves
		// it from depending on Service addresses that reach the host itself.
		"--enable-aggregator-routing",
		"--requestheader-client-ca-file=" + path("pki", "front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + path("pki", "front-proxy.crt"),
		"--proxy-client-key-file=" + path("pki", "front-proxy.key"),
	}}
}

func (p programs) controllersDaemon() daemon {
	kubeconfig := path("pki", "controller-manager.kubeconfig")
	return daemon{name: "kube-controller-manager", argv: []string{
		filepath.Join(p.kubernetes, "kube-controller-manager"),
		"--bind-address=" + NodeIP,
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + path("pki", "service-accounts.key"),
		"--root-ca-file=" + path("pki", "ca.crt"),
		"--cluster-signing-cert-file=" + path("pki", "ca.crt"),
		"--cluster-signing-key-file=" + path("pki", "ca.key"),
		"--flex-volume-plugin-dir=" + path("volume-plugins"),
		"--leader-elect=false", // there is only one
		"--horizontal-pod-autoscaler-sync-period=5s",
		"--horizontal-pod-autoscaler-initial-readiness-delay=5s",
		"--horizontal-pod-autoscaler-cpu-initialization-period=20s",
	}}
}

func (p programs) schedulerDaemon() daemon {
	kubeconfig := path("pki", "scheduler.kubeconfig")
	return daemon{name: "kube-scheduler", argv: []string{
		filepath.Join(p.kubernetes, "kube-scheduler"),
		"--bind-address=" + NodeIP,
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--leader-elect=false",
	}}
}

func (p programs) containerdDaemon() daemon {
	return daemon{name: "containerd", argv: []string{
		filepath.Join(p.containerd, "containerd"), "--config=" + path("containerd.toml"),
	}}
}

func (p programs) kubeletDaemon() daemon {
	return daemon{name: "kubelet", argv: []string{
		filepath.Join(p.kubernetes, "kubelet"),
		"--config=" + path("kubelet.yaml"),
		"--kubeconfig=" + path("pki", "kubelet.kubeconfig"),
		"--root-dir=" + path("kubelet"),
		"--hostname-override=" + Name,
		"--node-ip=" + NodeIP,
	}}
}

func (p programs) proxyDaemon() daemon {
	return daemon{name: "kube-proxy", argv: []string{
		filepath.Join(p.kubernetes, "kube-proxy"), "--config=" + path("proxy.yaml"),
	}}
}

// balancerDaemon is this very program: it gives Services of type LoadBalancer
// their addresses.
func balancerDaemon(self string) daemon {
	return daemon{name: "balancer", argv: []string{
		self, "lb", "--kubeconfig", Kubeconfig(), "--addresses", BalancerIPs,
	}}
}
