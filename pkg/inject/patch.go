package inject

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// Names of the containers. They are App Mesh's: dashboards, NetworkPolicies and scripts refer to them.
const (
	containerEnvoy     = "envoy"
	containerProxyinit = "proxyinit"
)

// Where our images have their programs.
const (
	pathEnvoy     = "/usr/local/bin/envoy"
	pathProxyctl  = "/usr/local/bin/proxyctl"
	pathProxyinit = "/usr/local/bin/proxyinit"
)

// Result is a patch and what its author should know about it.
type Result struct {
	// Ops is the patch; empty if there is nothing to do.
	Ops []Op
	// Warnings name what the pod asks for and does not get.
	Warnings []string
}

// step writes its part of a patch.
type step func(*patch) error

var (
	// nodeSteps make a pod a member of a virtual node.
	nodeSteps = []step{
		adviseNode,    // first, so that warnings come in the order of the table, whatever the steps add
		addIdentity,   // what mesh believes about the pod; overwrites what the pod says of itself
		rewriteProbes, // before addEnvoy, whose bootstrap has to know them
		addEnvoy,      // before proxyinit, which may have to stand right behind it
		addProxyinit,  // or the annotations for a CNI plugin
		addVolumes,    // last, because addEnvoy decides whether they are needed
		addPullSecret,
	}
	// gatewaySteps configure the container that the user brings.
	gatewaySteps = []step{
		adviseGateway,
		addIdentity,
		configureGateway,
		addVolumes,
		addPullSecret,
	}
	// strayedSteps are for a pod that is bound to nothing.
	strayedSteps = []step{
		removeIdentity, // or a pod could claim a virtual node that does not select it
	}
)

// Patch returns the operations that make the pod a member of the target. An error is a mistake in the pod's
// annotations, to be shown to its author.
func Patch(pod *Pod, target Target, cfg Config) (Result, error) {
	p := newPatch(pod, target, cfg)
	steps := strayedSteps
	switch target.Kind {
	case KindVirtualNode:
		steps = nodeSteps
	case KindVirtualGateway:
		steps = gatewaySteps
	}
	for _, s := range steps {
		if err := s(p); err != nil {
			return Result{}, err
		}
	}
	return Result{Ops: p.ops, Warnings: p.warnings}, nil
}

// patch is a patch in the making.
type patch struct {
	pod      *Pod
	target   Target
	cfg      Config
	ops      []Op
	warnings []string

	// The lists that grow.
	initContainers, containers, volumes *list
	// classic says that the proxy is an ordinary container.
	classic bool
	// ownsEnvoy says that the envoy container is ours, so that its volumes are, too.
	ownsEnvoy bool
	// envoyAt is the place of a native sidecar among the init containers, -1 without one.
	envoyAt int
	// probes are those of the application that the proxy passes on.
	probes []sluice.Probe
	// volumesAdded are the names of the volumes that this patch adds.
	volumesAdded []string
}

func newPatch(pod *Pod, target Target, cfg Config) *patch {
	return &patch{
		pod: pod, target: target, cfg: cfg, envoyAt: -1,
		classic:        isClassic(pod, cfg),
		initContainers: &list{path: "/spec/initContainers", exists: pod.Spec.InitContainers != nil},
		containers:     &list{path: "/spec/containers", exists: pod.Spec.Containers != nil},
		volumes:        &list{path: "/spec/volumes", exists: pod.Spec.Volumes != nil},
	}
}

func isClassic(pod *Pod, cfg Config) bool {
	switch v, _ := pod.annotation(sluice.AnnotationSidecarMode); v {
	case sluice.SidecarModeContainer:
		return true
	case sidecarModeNative:
		return false
	}
	return cfg.ClassicSidecars
}

// sidecarModeNative is the value of sluice.AnnotationSidecarMode that overrides Config.ClassicSidecars.
const sidecarModeNative = "native"

// list is a JSON array that may have to be created: RFC 6902 cannot add to one that is absent or null.
type list struct {
	path   string
	exists bool
}

// insert adds the value before what is at position at; end is the position behind the last.
func (p *patch) insert(l *list, at string, value any) {
	if !l.exists {
		p.add(l.path, []any{value})
		l.exists = true
		return
	}
	p.add(l.path+"/"+at, value)
}

const end = "-"

func (p *patch) add(path string, value any) {
	p.ops = append(p.ops, Op{Op: "add", Path: path, Value: value})
}

// pair is a label or an annotation.
type pair struct{ key, value string }

// setAll writes labels or annotations. The map is created first where the pod has none.
func (p *patch) setAll(path string, existing map[string]string, pairs []pair) {
	exists := existing != nil
	for _, kv := range pairs {
		if v, ok := existing[kv.key]; ok && v == kv.value {
			continue
		}
		if !exists {
			p.add(path, map[string]string{})
			exists = true
		}
		p.add(path+pointer(kv.key), kv.value)
	}
}

// annotations are the pod's, with the identity that this patch adds: after it the map exists.
func (p *patch) annotations() map[string]string {
	if p.pod.Metadata.Annotations == nil {
		return map[string]string{}
	}
	return p.pod.Metadata.Annotations
}

func (p *patch) hasVolume(name string) bool {
	return p.pod.hasVolume(name) || slices.Contains(p.volumesAdded, name)
}

func (p *patch) addVolume(v corev1.Volume) {
	if p.hasVolume(v.Name) {
		return
	}
	p.insert(p.volumes, end, v)
	p.volumesAdded = append(p.volumesAdded, v.Name)
}

func (p *patch) warn(format string, args ...any) {
	p.warnings = append(p.warnings, fmt.Sprintf(format, args...))
}
