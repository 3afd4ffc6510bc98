package node

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/sluice-mesh/sluice/test/cluster/hosts"
)

//go:embed templates manifests
var files embed.FS

// settings is what the templates may speak of.
type settings struct {
	Dir, Name, Socket          string
	NodeIP, DNSIP              string
	PodCIDR, ClusterCIDR       string
	CNIBin, Shim, Runc         string
	Cgroup                     string
	PauseImage                 string
	CoreDNSImage, MetricsImage string
	Resolvers                  []string
	BalancerRewrite            string
}

// render fills a file of templates/ or manifests/.
func render(name string, values any) ([]byte, error) {
	dir := "templates"
	if _, err := files.Open(dir + "/" + name); err != nil {
		dir = "manifests"
	}
	t, err := template.New(name).
		Funcs(template.FuncMap{
			"base64": func(b []byte) string { return base64.StdEncoding.EncodeToString(b) },
			"indent": func(s string) string { return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ") },
		}).
		Option("missingkey=error").
		ParseFS(files, dir+"/"+name)
	if err != nil {
		return nil, fmt.Errorf("read the template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("fill the template %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// writeConfigs renders the daemons' configuration files.
func writeConfigs(s settings) error {
	for name, target := range map[string]string{
		"kubelet.yaml":    path("kubelet.yaml"),
		"proxy.yaml":      path("proxy.yaml"),
		"containerd.toml": path("containerd.toml"),
		"cni.json":        path("cni", "10-sluice.conflist"),
		"resolv.conf":     path("resolv.conf"),
	} {
		content, err := render(name, s)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", target, err)
		}
		if err := os.WriteFile(target, content, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", target, err)
		}
	}
	return nil
}

// BalancerRewrite is the rule of a Corefile that lets pods use the hostnames of
// LoadBalancer Services: inside the cluster SERVICE.NAMESPACE.sluice.test is the
// Service itself, so there is no state to keep up to date.
func BalancerRewrite() string {
	return `    rewrite stop {
        name regex ` + balancerRegexp() + ` {1}.{2}.svc.cluster.local
        answer auto
    }
`
}

// balancerRegexp matches such a name as CoreDNS sees it.
func balancerRegexp() string {
	return `^([^.]+)\.([^.]+)\.` + strings.ReplaceAll(hosts.Domain, ".", `\.`) + `\.$`
}

// hostResolvers reads the name servers that pods may be pointed to.
func hostResolvers() []string {
	for _, file := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if servers := resolvers(string(content)); len(servers) > 0 {
			return servers
		}
	}
	return nil
}

// resolvers lists the name servers of a resolv.conf, without those on loopback:
// in a pod that address is the pod itself, and CoreDNS would ask itself forever.
func resolvers(conf string) []string {
	var servers []string
	for line := range strings.Lines(conf) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(fields[1]); err == nil && !ip.IsLoopback() {
			servers = append(servers, fields[1])
		}
	}
	return servers
}
