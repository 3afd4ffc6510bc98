package node

import (
	"fmt"
	"net"
	"os"

	"github.com/sluice-mesh/sluice/test/cluster/pki"
)

// identity is one certificate of the cluster's authority. Those with a
// kubeconfig are clients of the API server.
type identity struct {
	file       string
	request    pki.Request
	kubeconfig bool
}

// identities is who is who. The names and groups are those that Kubernetes'
// built-in roles are bound to, so no further RBAC is needed.
func identities() []identity {
	node := net.ParseIP(NodeIP)
	local := net.ParseIP("127.0.0.1")
	return []identity{
		{file: "admin", kubeconfig: true, request: pki.Request{Name: "admin", Groups: []string{"system:masters"}}},
		{file: "controller-manager", kubeconfig: true, request: pki.Request{Name: "system:kube-controller-manager"}},
		{file: "scheduler", kubeconfig: true, request: pki.Request{Name: "system:kube-scheduler"}},
		{file: "proxy", kubeconfig: true, request: pki.Request{Name: "system:kube-proxy"}},
		{file: "kubelet", kubeconfig: true, request: pki.Request{
			Name: "system:node:" + Name, Groups: []string{"system:nodes"},
			DNS: []string{Name}, IPs: []net.IP{node, local},
		}},
		{file: "apiserver", request: pki.Request{
			Name: "kube-apiserver", Groups: []string{"system:masters"},
			DNS: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost", Name},
			IPs: []net.IP{node, local, net.ParseIP(APIIP)},
		}},
	}
}

// writeCredentials makes the authorities, the certificates, the token key and
// the kubeconfigs.
func writeCredentials() error {
	dir := path("pki")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of certificates: %w", err)
	}
	ca, err := pki.NewAuthority("sluice-cluster")
	if err != nil {
		return err
	}
	if err := ca.Write(dir, "ca"); err != nil {
		return err
	}
	for _, id := range identities() {
		pair, err := ca.Issue(id.request)
		if err != nil {
			return err
		}
		if err := pair.Write(dir, id.file); err != nil {
			return err
		}
		if id.kubeconfig {
			if err := writeKubeconfig(id.file, ca.Cert, pair); err != nil {
				return err
			}
		}
	}
	// The aggregation layer has an authority of its own: whoever holds a
	// certificate of it may speak in any user's name to metrics-server.
	if err := writeAlone("front-proxy", pki.Request{Name: "front-proxy-client"}); err != nil {
		return err
	}
	// So has etcd, or everybody with a certificate could read all Secrets.
	if err := writeAlone("etcd", pki.Request{Name: "etcd", IPs: []net.IP{net.ParseIP("127.0.0.1")}}); err != nil {
		return err
	}
	tokens, err := pki.SigningKey()
	if err != nil {
		return err
	}
	return tokens.Write(dir, "service-accounts")
}

// writeAlone makes an authority that signs a single certificate.
func writeAlone(name string, r pki.Request) error {
	ca, err := pki.NewAuthority("sluice-cluster-" + name)
	if err != nil {
		return err
	}
	pair, err := ca.Issue(r)
	if err != nil {
		return err
	}
	if err := ca.Write(path("pki"), name+"-ca"); err != nil {
		return err
	}
	return pair.Write(path("pki"), name)
}

func writeKubeconfig(user string, ca []byte, pair pki.Pair) error {
	file := path("pki", user+".kubeconfig")
	if user == "admin" {
		file = Kubeconfig()
	}
	content, err := render("kubeconfig.yaml", map[string]any{
		"Server": APIServer, "CA": ca, "User": user, "Cert": pair.Cert, "Key": pair.Key,
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", user, err)
	}
	return nil
}
