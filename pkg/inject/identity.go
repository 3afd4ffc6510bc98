package inject

import "github.com/sluice-mesh/sluice/pkg/api/sluice"

// The paths of the two maps that carry the identity.
const (
	pathLabels      = "/metadata/labels"
	pathAnnotations = "/metadata/annotations"
)

// addIdentity writes what the pod was bound to. mesh serves the pod by it, so whatever the pod says of itself is
// overwritten or taken away.
func addIdentity(p *patch) error {
	dropOther(p)
	p.setAll(pathLabels, p.pod.Metadata.Labels, []pair{{sluice.LabelProxy, proxyLabel(p.target.Kind)}})
	p.setAll(pathAnnotations, p.pod.Metadata.Annotations, []pair{{identityAnnotation(p.target.Kind), p.target.Name}})
	return nil
}

// removeIdentity takes away what a pod claims that nothing selects.
func removeIdentity(p *patch) error {
	if _, ok := p.pod.Metadata.Labels[sluice.LabelProxy]; ok {
		p.ops = append(p.ops, Op{Op: "remove", Path: pathLabels + pointer(sluice.LabelProxy)})
	}
	dropOther(p)
	return nil
}

// dropOther removes the identity annotations that are not of the target's kind, and the request to our CNI plugin of a pod
// that is not for it.
func dropOther(p *patch) {
	for _, kind := range []Kind{KindVirtualNode, KindVirtualGateway} {
		key := identityAnnotation(kind)
		if _, ok := p.pod.annotation(key); ok && kind != p.target.Kind {
			p.removeAnnotation(key)
		}
	}
	if _, ok := p.pod.annotation(sluice.AnnotationRedirectedBy); ok && p.target.Redirection != ByPlugin {
		p.removeAnnotation(sluice.AnnotationRedirectedBy)
	}
}

func (p *patch) removeAnnotation(key string) {
	p.ops = append(p.ops, Op{Op: "remove", Path: pathAnnotations + pointer(key)})
}

// proxyLabel is the value of sluice.LabelProxy.
func proxyLabel(kind Kind) string {
	if kind == KindVirtualGateway {
		return sluice.ProxyGateway
	}
	return sluice.ProxyNode
}

func identityAnnotation(kind Kind) string {
	if kind == KindVirtualGateway {
		return sluice.AnnotationVirtualGateway
	}
	return sluice.AnnotationVirtualNode
}
