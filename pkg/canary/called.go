package canary

import canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"

// CalledNodes names the virtual nodes, in the Canary's namespace, by which callers reach the primary and the target. Every
// caller has a cluster of its own for each, so what it counts is told apart. Both are empty where no mesh leads there.
func CalledNodes(c *canaryv1beta1.Canary) (primary, canary string) {
	s := settings{c}
	if !s.routed() {
		return "", ""
	}
	return s.primaryService(), s.canaryService()
}
