package canary

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// ConditionConsistent says whether the next rollout could start, by the rulebook: False is what would keep it from that.
const ConditionConsistent canaryv1beta1.CanaryConditionType = "Consistent"

// Conditions that we add to Flagger's one, Promoted. Each of these is there only while it is True.
const (
	// ConditionUnsupported lists fields of the spec that are accepted and not honoured.
	ConditionUnsupported canaryv1beta1.CanaryConditionType = "Unsupported"
	// ConditionStatsUnreachable names pods whose Envoy cannot be polled; a NetworkPolicy is the usual reason.
	ConditionStatsUnreachable canaryv1beta1.CanaryConditionType = "StatsUnreachable"
	// ConditionForeignObject says which names that we need are taken by somebody else's objects.
	ConditionForeignObject canaryv1beta1.CanaryConditionType = "ForeignObject"
	// ConditionTargetHeld says that the autoscaler of an idle target keeps waking it, and that it is put back to zero each time.
	ConditionTargetHeld canaryv1beta1.CanaryConditionType = "TargetHeldAtZero"
	// ConditionFlaggerActive says that the Canary is left to a Flagger that is still there.
	ConditionFlaggerActive canaryv1beta1.CanaryConditionType = "FlaggerActive"
	// ConditionProxiesStale names pods whose Envoy did not take the weights in time.
	ConditionProxiesStale canaryv1beta1.CanaryConditionType = "ProxiesStale"
)

// Short names of the phases that are tested for in more places than one.
const (
	progressing      = canaryv1beta1.CanaryPhaseProgressing
	waitingPromotion = canaryv1beta1.CanaryPhaseWaitingPromotion
	failed           = canaryv1beta1.CanaryPhaseFailed
)

func (p *pass) setConditions() {
	status, message := p.promoted()
	if p.st.Phase != "" {
		p.setCondition(canaryv1beta1.PromotedType, status, string(p.st.Phase), message)
	}
	unsupported := p.unsupported()
	if len(unsupported) > 0 && p.condition(ConditionUnsupported) != unsupportedMessage(unsupported) {
		p.emit(warning(ReasonUnsupported, "%s", unsupportedMessage(unsupported)))
	}
	p.toggle(ConditionUnsupported, unsupported, ReasonUnsupported, unsupportedMessage)
	p.toggle(ConditionStatsUnreachable, p.unreachable(), ReasonUnreachable, func(pods []string) string {
		return fmt.Sprintf("Port 9901 of pods %s cannot be polled; does a NetworkPolicy admit the canary process?", strings.Join(pods, ", "))
	})
	p.toggle(ConditionTargetHeld, p.heldAtZero(), ReasonTargetHeld, func(sentences []string) string { return sentences[0] })
	var alive []string
	if why := p.flaggerAlive(); why != "" {
		alive = []string{why}
	}
	p.toggle(ConditionFlaggerActive, alive, ReasonFlaggerActive, func(sentences []string) string { return sentences[0] })
	p.toggle(ConditionForeignObject, p.obs.Foreign, string(ConditionForeignObject), func(sentences []string) string {
		return strings.Join(sentences, "; ")
	})
	var stale []string
	if p.countedStale || p.condition(ConditionProxiesStale) != "" {
		stale = p.obs.WeightsPending
	}
	if c := p.obs.Consistency; c != nil {
		p.setCondition(ConditionConsistent, c.status(), c.reason(), c.message())
	}
	p.toggle(ConditionProxiesStale, stale, ReasonProxiesStale, func(pods []string) string {
		return fmt.Sprintf("The Envoys of %s did not take the weights.", strings.Join(pods, ", "))
	})
}

// heldAtZero says, aloud when it is new, that an autoscaler works against an idle target.
func (p *pass) heldAtZero() []string {
	a := p.obs.Autoscaler
	if a == nil || !a.WakesTarget || !isIdle(p.st.Phase) {
		return nil
	}
	sentence := fmt.Sprintf("%s %s scaled %s to zero by itself and wakes it; while %s is idle its replicas are put back to zero each time. "+
		"Give the autoscaler a lower bound of 1", a.Kind, a.Name, p.target(), p.target())
	if p.condition(ConditionTargetHeld) == "" {
		p.emit(warning(ReasonTargetHeld, "%s", sentence))
	}
	return []string{sentence}
}

// isIdle tells whether the target of a Canary in this phase is kept at zero.
func isIdle(phase canaryv1beta1.CanaryPhase) bool {
	switch phase {
	case canaryv1beta1.CanaryPhaseInitialized, canaryv1beta1.CanaryPhaseSucceeded, failed, canaryv1beta1.CanaryPhaseWaiting:
		return true
	}
	return false
}

func unsupportedMessage(fields []string) string {
	return fmt.Sprintf("Accepted but not honoured: %s.", strings.Join(fields, ", "))
}

// unreachable names the pods that the metrics of this pass miss.
func (p *pass) unreachable() []string {
	for _, m := range p.analysis().Metrics {
		if pods := p.obs.Metrics[m.Name].Unreachable; len(pods) > 0 {
			return pods
		}
	}
	return nil
}

// promoted is the status and the message of the condition that scripts wait for.
func (p *pass) promoted() (metav1.ConditionStatus, string) {
	kind := p.Spec.TargetRef.Kind
	switch p.st.Phase {
	case canaryv1beta1.CanaryPhaseInitialized:
		return metav1.ConditionTrue, fmt.Sprintf("%s initialization completed.", kind)
	case canaryv1beta1.CanaryPhaseWaiting, waitingPromotion:
		return metav1.ConditionUnknown, "Waiting for approval."
	case progressing:
		return metav1.ConditionUnknown, "New revision detected, progressing canary analysis."
	case canaryv1beta1.CanaryPhasePromoting:
		return metav1.ConditionUnknown, "Canary analysis completed, starting primary rolling update."
	case canaryv1beta1.CanaryPhaseFinalising:
		return metav1.ConditionUnknown, "Canary analysis completed, routing all traffic to primary."
	case canaryv1beta1.CanaryPhaseSucceeded:
		return metav1.ConditionTrue, "Canary analysis completed successfully, promotion finished."
	case failed:
		return metav1.ConditionFalse, fmt.Sprintf("Canary analysis failed, %s scaled to zero.", kind)
	}
	return metav1.ConditionUnknown, fmt.Sprintf("New %s detected, starting initialization.", kind)
}

// toggle sets a condition that is True while something is listed, and takes it away when nothing is.
func (p *pass) toggle(t canaryv1beta1.CanaryConditionType, listed []string, reason string, say func([]string) string) {
	if len(listed) > 0 {
		p.setCondition(t, metav1.ConditionTrue, reason, say(listed))
		return
	}
	kept := p.st.Conditions[:0]
	for _, c := range p.st.Conditions {
		if c.Type != t {
			kept = append(kept, c)
		}
	}
	p.st.Conditions = kept
}

func (p *pass) condition(t canaryv1beta1.CanaryConditionType) (message string) {
	for _, c := range p.st.Conditions {
		if c.Type == t {
			return c.Message
		}
	}
	return ""
}

// setCondition changes times only when something else changes: a status that says the same is the same.
func (p *pass) setCondition(t canaryv1beta1.CanaryConditionType, s metav1.ConditionStatus, reason, message string) {
	now := p.stamp()
	for i := range p.st.Conditions {
		c := &p.st.Conditions[i]
		if c.Type != t {
			continue
		}
		if c.Status != s {
			c.LastTransitionTime = now
		}
		if c.Status != s || c.Reason != reason || c.Message != message {
			c.LastUpdateTime = now
		}
		c.Status, c.Reason, c.Message = s, reason, message
		return
	}
	p.st.Conditions = append(p.st.Conditions, canaryv1beta1.CanaryCondition{
		Type: t, Status: s, Reason: reason, Message: message, LastUpdateTime: now, LastTransitionTime: now,
	})
}
