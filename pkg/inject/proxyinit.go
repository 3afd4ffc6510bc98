package inject

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// addProxyinit redirects the traffic of the pod to Envoy, by an init container or through a CNI plugin. What our own plugin
// did is verified by an init container that may do nothing else.
func addProxyinit(p *patch) error {
	if err := checkRedirection(p.pod); err != nil {
		return err
	}
	switch p.target.Redirection {
	case ByOthers:
		announceCNI(p)
		return nil
	case ByPlugin:
		announceCNI(p)
		p.setAll(pathAnnotations, p.annotations(), []pair{{sluice.AnnotationRedirectedBy, sluice.CNIPlugin}})
	}
	if _, ok := find(p.pod.Spec.InitContainers, containerProxyinit); ok {
		return nil
	}
	p.insert(p.initContainers, proxyinitPosition(p), proxyinit(p))
	return nil
}

// proxyinitPosition is last, as it was in App Mesh, so that the user's init containers keep their plain network; or
// right behind the proxy if the pod wants them in the mesh. What a plugin redirects is in the mesh from the beginning,
// and nothing of the pod may run before that is verified.
func proxyinitPosition(p *patch) string {
	first, _ := p.pod.annotation(sluice.AnnotationRedirect)
	switch {
	case p.envoyAt >= 0 && (first == sluice.RedirectFirst || p.target.Redirection == ByPlugin):
		return strconv.Itoa(p.envoyAt + 1)
	case p.target.Redirection == ByPlugin:
		return "0"
	}
	return end
}

func proxyinit(p *patch) corev1.Container {
	image := p.cfg.InitImage
	if image == "" {
		image = p.cfg.ProxyImage
	}
	c := corev1.Container{
		Name:            containerProxyinit,
		Image:           image,
		ImagePullPolicy: p.cfg.ImagePullPolicy,
		Command:         []string{pathProxyinit},
		Env:             redirection(p),
		Resources:       initResources(p),
	}
	root, yes, no := int64(0), true, false
	if p.target.Redirection == ByPlugin {
		c.Args = []string{"--verify"}
		c.TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError // what to do is in kubectl describe
		c.SecurityContext = restricted()
		c.SecurityContext.ReadOnlyRootFilesystem = &yes
		return c
	}
	c.SecurityContext = &corev1.SecurityContext{
		// Root, because the kernel gives a capability to nobody else without file capabilities in the image.
		RunAsUser:                &root,
		RunAsNonRoot:             &no,
		Privileged:               &no,
		AllowPrivilegeEscalation: &no,
		ReadOnlyRootFilesystem:   &yes,
		Capabilities:             &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}, Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	return c
}

// redirection is the environment of App Mesh's own init container, so that its image can stand in for ours.
func redirection(p *patch) []corev1.EnvVar {
	ipv6 := "1"
	if v, _ := p.pod.annotation(appmeshv1beta2.AnnotationIPv6); strings.EqualFold(v, appmeshv1beta2.ValueDisabled) {
		ipv6 = "0"
	}
	return []corev1.EnvVar{
		{Name: "APPMESH_START_ENABLED", Value: "1"},
		{Name: "APPMESH_IGNORE_UID", Value: strconv.Itoa(sluice.ProxyUID)},
		{Name: "APPMESH_ENVOY_INGRESS_PORT", Value: strconv.Itoa(sluice.IngressPort)},
		{Name: "APPMESH_ENVOY_EGRESS_PORT", Value: strconv.Itoa(sluice.EgressPort)},
		{Name: "APPMESH_APP_PORTS", Value: appPorts(p)},
		{Name: "APPMESH_EGRESS_IGNORED_IP", Value: egressIgnoredIPs(p)},
		{Name: "APPMESH_EGRESS_IGNORED_PORTS", Value: egressIgnoredPorts(p)},
		{Name: "APPMESH_ENABLE_IPV6", Value: ipv6},
	}
}

// checkRedirection refuses what proxyinit could not read: the pod would be created and never start.
func checkRedirection(pod *Pod) error {
	for _, c := range []struct {
		annotation, format string
		valid              func(string) bool
	}{
		{appmeshv1beta2.AnnotationPorts, "8080,9090", isPortOrRange},
		{appmeshv1beta2.AnnotationEgressIgnoredPorts, "22,3306", isPortOrRange},
		{appmeshv1beta2.AnnotationEgressIgnoredIPs, "10.0.0.1,192.168.0.0/16", isAddress},
	} {
		text, _ := pod.annotation(c.annotation)
		if n := strings.Count(text, ",") + 1; n > sluice.MaxRedirectItems {
			return fmt.Errorf("annotation %s lists %d things; %d are the most", c.annotation, n, sluice.MaxRedirectItems)
		}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" && !c.valid(item) {
				return malformed(c.annotation, c.format)
			}
		}
	}
	return nil
}

// announceCNI writes the annotations that CNI plugins redirect by, that of EKS and ours. What the pod says about egress stays.
func announceCNI(p *patch) {
	p.setAll(pathAnnotations, p.annotations(), []pair{
		{appmeshv1beta2.AnnotationEgressIgnoredIPs, egressIgnoredIPs(p)},
		{appmeshv1beta2.AnnotationEgressIgnoredPorts, egressIgnoredPorts(p)},
		{appmeshv1beta2.AnnotationPorts, appPorts(p)},
		{appmeshv1beta2.AnnotationSidecarInjectorWebhook, appmeshv1beta2.ValueEnabled},
		{appmeshv1beta2.AnnotationIgnoredUID, strconv.Itoa(sluice.ProxyUID)},
		{appmeshv1beta2.AnnotationProxyEgressPort, strconv.Itoa(sluice.EgressPort)},
		{appmeshv1beta2.AnnotationProxyIngressPort, strconv.Itoa(sluice.IngressPort)},
	})
}

func appPorts(p *patch) string {
	if v, ok := p.pod.annotation(appmeshv1beta2.AnnotationPorts); ok {
		return v
	}
	ports := make([]string, len(p.target.Ports))
	for i, port := range p.target.Ports {
		ports[i] = strconv.Itoa(int(port))
	}
	return strings.Join(ports, ",")
}

func egressIgnoredIPs(p *patch) string {
	if v, ok := p.pod.annotation(appmeshv1beta2.AnnotationEgressIgnoredIPs); ok {
		return v
	}
	return strings.Join(p.cfg.EgressIgnoredIPs, ",")
}

func egressIgnoredPorts(p *patch) string {
	if v, ok := p.pod.annotation(appmeshv1beta2.AnnotationEgressIgnoredPorts); ok {
		return v
	}
	return strings.Join(p.cfg.EgressIgnoredPorts, ",")
}

func isAddress(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// isPortOrRange also takes first:last, as iptables did for App Mesh, and its placeholder 0 for no port.
func isPortOrRange(s string) bool {
	first, last, isRange := strings.Cut(s, ":")
	if !isRange {
		return s == "0" || isPort(s)
	}
	return isPort(first) && isPort(last)
}
