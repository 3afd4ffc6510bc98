package mesh

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// Condition is what the status of one object should say.
type Condition struct {
	Object ObjectRef `json:"object"`
	// Type is the condition of the object's kind, for example VirtualNodeActive.
	Type string `json:"type"`
	// Active is the condition's status.
	Active bool `json:"active"`
	// Reason is ReasonActive or that of the problem that matters most.
	Reason string `json:"reason"`
	// Message is what people should know, a sentence per problem.
	Message string `json:"message"`
}

// maxSentences keeps a message readable; the API server would take more.
const maxSentences = 5

// Conditions gives one condition per object of the snapshot that has one (all but BackendGroups), sorted by object.
// problems are those of Build for the same snapshot. An object is active if none of them blocks it; what it lost, and
// what of it does nothing, is in the message either way.
func Conditions(s Snapshot, problems []Problem) []Condition {
	of := map[ObjectRef][]Problem{}
	for _, p := range problems {
		of[p.Object] = append(of[p.Object], p)
	}
	var out []Condition
	add := func(kind string, t appmeshv1beta2.ConditionType, o metav1.Object) {
		ref := refOf(kind, o)
		out = append(out, condition(ref, string(t), of[ref]))
	}
	for _, o := range sorted(s.Meshes) {
		add(KindMesh, appmeshv1beta2.MeshActive, o)
	}
	for _, o := range sorted(s.VirtualNodes) {
		add(KindVirtualNode, appmeshv1beta2.VirtualNodeActive, o)
	}
	for _, o := range sorted(s.VirtualServices) {
		add(KindVirtualService, appmeshv1beta2.VirtualServiceActive, o)
	}
	for _, o := range sorted(s.VirtualRouters) {
		add(KindVirtualRouter, appmeshv1beta2.VirtualRouterActive, o)
	}
	for _, o := range sorted(s.VirtualGateways) {
		add(KindVirtualGateway, appmeshv1beta2.VirtualGatewayActive, o)
	}
	for _, o := range sorted(s.GatewayRoutes) {
		add(KindGatewayRoute, appmeshv1beta2.GatewayRouteActive, o)
	}
	slices.SortFunc(out, func(a, b Condition) int { return a.Object.Compare(b.Object) })
	return out
}

func condition(ref ObjectRef, kind string, problems []Problem) Condition {
	c := Condition{Object: ref, Type: kind, Active: true, Reason: ReasonActive, Message: "served as it says"}
	if len(problems) == 0 {
		return c
	}
	ranked := slices.Clone(problems)
	slices.SortStableFunc(ranked, func(a, b Problem) int { return rank(a) - rank(b) })
	c.Active = !ranked[0].Blocking
	c.Reason = ranked[0].Reason
	var sentences []string
	for i, p := range ranked {
		if i == maxSentences {
			sentences = append(sentences, "and more")
			break
		}
		sentences = append(sentences, p.Err.Error())
	}
	c.Message = strings.Join(sentences, "; ")
	return c
}

// rank puts first what its owner has to change, then what waits for others, then remarks.
func rank(p Problem) int {
	switch {
	case p.Blocking && !p.Transient:
		return 0
	case p.Blocking:
		return 1
	default:
		return 2
	}
}
