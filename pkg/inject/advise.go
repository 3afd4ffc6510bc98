package inject

import (
	"maps"
	"slices"
	"strings"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// use says what becomes of an annotation of App Mesh's injector.
type use struct {
	// node and gateway say whether it has its effect on pods of that kind.
	node, gateway bool
	// quiet annotations have no effect, and nobody expects one.
	quiet bool
	// quietOff ones expect none when the value is "disabled".
	quietOff bool
}

// uses is every annotation that App Mesh knew, without the prefix. One that is not here is a typing mistake.
var uses = map[string]use{
	"sidecarInjectorWebhook":          {node: true, gateway: true},
	"cpuRequest":                      {node: true},
	"memoryRequest":                   {node: true},
	"cpuLimit":                        {node: true},
	"memoryLimit":                     {node: true},
	"appmeshCNI":                      {node: true, quietOff: true},
	"ports":                           {node: true},
	"egressIgnoredIPs":                {node: true},
	"egressIgnoredPorts":              {node: true},
	"ipv6":                            {node: true},
	"preview":                         {quietOff: true}, // there is one channel
	"secretMounts":                    {node: true},
	"volumeMounts":                    {node: true},
	"sds":                             {quietOff: true}, // no SDS socket is mounted yet
	"sidecarEnv":                      {node: true},
	"sidecarEnvJson":                  {node: true},
	"xrayAgentConfigMount":            {}, // there is no X-Ray container
	"virtualGatewaySkipImageOverride": {gateway: true, quietOff: true},
	// Written for CNI plugins, by us too.
	"proxyEgressPort":  {quiet: true},
	"proxyIngressPort": {quiet: true},
	"ignoredUID":       {quiet: true},
	"ignoredGID":       {quiet: true},
	// Of the first injector; later ones ignored them, and manifests still carry them.
	"mesh":        {quiet: true},
	"virtualNode": {quiet: true},
}

func adviseNode(p *patch) error {
	adviseAnnotations(p, func(u use) bool { return u.node })
	adviseMode(p)
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
	return nil
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
