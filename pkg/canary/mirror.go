package canary

import (
	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// mirrors tells whether the canary gets copies of requests before it gets any of its own. What matches an A/B test
// goes to the canary at once, so there is nothing to copy first.
func (s settings) mirrors() bool {
	return s.analysis().Mirror && s.routed() && s.strategy() != canaryv1beta1.StrategyABTesting
}

// mirrorPercent is how many requests are copied then, in percent.
func (s settings) mirrorPercent() int {
	n := s.analysis().MirrorWeight
	if n == nil || *n <= 0 {
		return fullWeight
	}
	return min(fullWeight, max(1, n.Int()))
}

// mirror is how many requests are copied in this state: from the first stage until the canary gets requests of its own.
// Nobody hears its answers, but its Envoy counts them, and so they are judged.
func (p *pass) mirror() int {
	judged := p.st.Phase == progressing || p.st.Phase == waitingPromotion
	if !judged || !p.underway() || p.weight() > 0 || !p.mirrors() {
		return 0
	}
	return p.mirrorPercent()
}

// mirrorOf is the mirror of the apex route, nil for none.
func (s settings) mirrorOf(percent int) *appmeshv1beta2.HTTPRouteMirror {
	if percent == 0 {
		return nil
	}
	n := int64(percent)
	return &appmeshv1beta2.HTTPRouteMirror{
		VirtualNodeRef: &appmeshv1beta2.VirtualNodeReference{Name: s.canaryService()}, Percent: &n,
	}
}

// mirrorIn reads what mirrorOf wrote.
func (s settings) mirrorIn(route appmeshv1beta2.Route) int {
	m := route.HTTPRoute.Action.Mirror
	switch {
	case m == nil || m.VirtualNodeRef == nil || m.VirtualNodeRef.Name != s.canaryService():
		return 0
	case m.Percent == nil:
		return fullWeight
	}
	return int(*m.Percent)
}
