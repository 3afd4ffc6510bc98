package inject

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// use says what becomes of an annotation of App Mesh's injector.
type use struct {
	// does is the effect, in words for users; without one the annotation has none.
	does string
	// node and gateway say whether it has its effect on pods of that kind.
	node, gateway bool
	// quiet annotations have no effect, and nobody expects one.
	quiet bool
	// quietOff ones expect none when the value is "disabled".
	quietOff bool
}

// uses is every annotation that App Mesh knew, without the prefix. One that is not here is a typing mistake.
var uses = map[string]use{
	"sidecarInjectorWebhook":          {node: true, gateway: true, does: "`enabled` or `disabled`, over the namespace's label of the same name"},
	"cpuRequest":                      {node: true, does: "CPU request of the container `envoy`"},
	"memoryRequest":                   {node: true, does: "memory request of the container `envoy`"},
	"cpuLimit":                        {node: true, does: "CPU limit of the container `envoy`"},
	"memoryLimit":                     {node: true, does: "memory limit of the container `envoy`"},
	"appmeshCNI":                      {node: true, quietOff: true, does: "`enabled` leaves redirection to a CNI plugin: [ours](cni.md) where `--cni` is set, else another, by annotations instead of `proxyinit`; `disabled` insists on `proxyinit`, on Fargate too; over the namespace's label of the same name"},
	"ports":                           {node: true, does: "application ports whose incoming traffic is redirected, instead of the virtual node's listeners"},
	"egressIgnoredIPs":                {node: true, does: "addresses and CIDRs of either family that are dialled directly"},
	"egressIgnoredPorts":              {node: true, does: "ports that are dialled directly; 22 always is"},
	"ipv6":                            {node: true, does: "`disabled` leaves IPv6 unredirected"},
	"preview":                         {quietOff: true}, // there is one channel
	"secretMounts":                    {node: true, does: "`secret:/path,...` mounts Secrets in the container `envoy`, read-only"},
	"volumeMounts":                    {node: true, does: "`volume:/path,...` mounts volumes of the pod in the container `envoy`, read-only"},
	"sds":                             {node: true, gateway: true, does: "`disabled` keeps the SDS socket of the node out of the pod, where the installation mounts it"},
	"sidecarEnv":                      {node: true, does: "`NAME=value, ...` are variables of the container `envoy`; see below for what they do"},
	"sidecarEnvJson":                  {node: true, does: "`[{\"NAME\":\"value\"}]`, over `sidecarEnv`"},
	"xrayAgentConfigMount":            {}, // there is no X-Ray container
	"virtualGatewaySkipImageOverride": {gateway: true, quietOff: true, does: "`enabled` keeps the image of the container `envoy`, which then waits a fixed time when it stops instead of draining"},
	// Written for CNI plugins, by us too.
	"proxyEgressPort":  {quiet: true, does: "written for CNI plugins"},
	"proxyIngressPort": {quiet: true, does: "written for CNI plugins"},
	"ignoredUID":       {quiet: true, does: "written for CNI plugins"},
	"ignoredGID":       {quiet: true},
	// Of the first injector; later ones ignored them, and manifests still carry them.
	"mesh":        {quiet: true},
	"virtualNode": {quiet: true},
}

func adviseNode(p *patch) error {
	adviseAnnotations(p, func(u use) bool { return u.node })
	adviseSDS(p)
	adviseMode(p)
	adviseEnd(p)
	adviseInit(p)
	if _, ok := find(p.pod.Spec.Containers, containerEnvoy); ok && !carries(p.pod, p.target) {
		p.warn("the pod has a container %s of its own, which is left as it is: it has to connect to the mesh by itself", containerEnvoy)
	}
	adviseUID(p)
	for _, c := range slices.Concat(p.pod.Spec.InitContainers, p.pod.Spec.Containers) {
		if slices.Contains(foreignProxies, c.Name) {
			p.warn("container %s redirects the traffic of the pod, too: one of the two meshes will not see it", c.Name)
		}
	}
	return nil
}

func adviseGateway(p *patch) error {
	adviseAnnotations(p, func(u use) bool { return u.gateway })
	adviseSDS(p)
	if c, ok := envoyOf(p.pod); ok && keepsImage(p) {
		adviseImage(p, c.Image)
	}
	return nil
}

// adviseSDS warns of a pod that asks for what the installation does not have.
func adviseSDS(p *patch) {
	if p.cfg.SDSSocket == "" && annotationOn(p.pod, appmeshv1beta2.AnnotationSDS) {
		p.warn("annotation %s has no effect: the installation mounts no SDS socket; its setting is --enable-sds", appmeshv1beta2.AnnotationSDS)
	}
}

// placeholders are images that gateways' manifests name for the injector to replace.
var placeholders = []string{"controller-override", "injector-override", "ENVOY_IMAGE", "image"}

// adviseImage warns of images that a gateway keeps and that cannot run it.
func adviseImage(p *patch, image string) {
	switch {
	case slices.Contains(placeholders, image):
		p.warn("annotation %s keeps the image %q, which is a placeholder: remove the annotation, or name an image of Envoy",
			appmeshv1beta2.AnnotationVirtualGatewaySkipImageOverride, image)
	case strings.Contains(image, "aws-appmesh-envoy"):
		p.warn("image %s is App Mesh's build of Envoy; its agent is not started, and it may lack what connects it to the mesh: remove the annotation %s to run ours",
			image, appmeshv1beta2.AnnotationVirtualGatewaySkipImageOverride)
	}
}

// foreignProxies are the sidecars of other meshes.
var foreignProxies = []string{"istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane"}

// adviseAnnotations names the annotations that do nothing here, sorted, so that the warnings are always the same.
func adviseAnnotations(p *patch, honoured func(use) bool) {
	for _, key := range slices.Sorted(maps.Keys(p.pod.Metadata.Annotations)) {
		name, ours := strings.CutPrefix(key, appmeshv1beta2.AnnotationPrefix)
		if !ours {
			continue
		}
		u, known := uses[name]
		off := u.quietOff && strings.EqualFold(p.pod.Metadata.Annotations[key], appmeshv1beta2.ValueDisabled)
		switch {
		case !known:
			p.warn("annotation %s is not known: is it spelled right?", key)
		case honoured(u) || u.quiet || off:
		case u.node:
			p.warn("annotation %s has no effect on pods of a virtual gateway: set it in the container %s itself", key, containerEnvoy)
		case u.gateway:
			p.warn("annotation %s has an effect on pods of a virtual gateway only", key)
		default:
			p.warn("annotation %s is not supported and has no effect", key)
		}
	}
}

func adviseMode(p *patch) {
	mode, ok := p.pod.annotation(sluice.AnnotationSidecarMode)
	if ok && mode != sidecarModeNative && mode != sluice.SidecarModeContainer {
		p.warn("annotation %s: %q is neither %s nor %s, so it is ignored", sluice.AnnotationSidecarMode, mode, sidecarModeNative, sluice.SidecarModeContainer)
	}
	redirect, ok := p.pod.annotation(sluice.AnnotationRedirect)
	switch {
	case !ok:
	case redirect != sluice.RedirectFirst:
		p.warn("annotation %s: %q is not %s, so it is ignored", sluice.AnnotationRedirect, redirect, sluice.RedirectFirst)
	case p.classic:
		p.warn("annotation %s is ignored: the proxy is an ordinary container, which does not run yet when init containers do", sluice.AnnotationRedirect)
	}
}

// adviseEnd warns of pods that end by themselves, as those of Jobs do, with a proxy that does not.
func adviseEnd(p *patch) {
	policy := p.pod.Spec.RestartPolicy
	if p.classic && !hasEnvoy(p.pod) && policy != "" && policy != string(corev1.RestartPolicyAlways) {
		p.warn("the pod will not end with its application, because the proxy is an ordinary container that goes on: annotation %s: %s lets it end",
			sluice.AnnotationSidecarMode, sidecarModeNative)
	}
}

// adviseInit warns of init containers whose connections lead to a proxy that does not run yet.
func adviseInit(p *patch) {
	if !p.classic || p.target.Redirection != ByPlugin {
		return
	}
	for _, c := range p.pod.Spec.InitContainers {
		if c.Name != containerProxyinit && c.Name != containerEnvoy {
			p.warn("init container %s will have no connections, as the CNI plugin redirects them from the beginning and the proxy is an ordinary container, which starts later: "+
				"annotation %s: %s starts it before", c.Name, sluice.AnnotationSidecarMode, sidecarModeNative)
		}
	}
}

// adviseUID warns of applications that run as the proxy's user, whose traffic is never redirected.
func adviseUID(p *patch) {
	for _, c := range p.pod.Spec.Containers {
		uid := p.pod.Spec.SecurityContext.RunAsUser
		if c.SecurityContext.RunAsUser != nil {
			uid = c.SecurityContext.RunAsUser
		}
		if uid != nil && *uid == sluice.ProxyUID && c.Name != containerEnvoy {
			p.warn("container %s runs as user %d, which is the proxy's: its outgoing traffic bypasses the mesh", c.Name, sluice.ProxyUID)
		}
	}
}
