package canary

import (
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Annotations of a Canary by which people drive it. They are not in its spec, because that belongs to whoever keeps it
// in Git.
const (
	// AnnotationRequest asks for something that is to be done once; its value is a Request as JSON.
	AnnotationRequest = "sluice.dev/request"
	// AnnotationPaused stops the Canary like spec.suspend as long as it is there. Its value says by whom and since when.
	AnnotationPaused = "sluice.dev/paused"
)

// Request is what somebody asks of a Canary once. The answer is in status.lastRequest.
type Request struct {
	// Ask is what is asked for.
	Ask canaryv1beta1.CanaryRequest `json:"ask"`
	// At tells requests apart: one that is not later than the last that was answered has been answered.
	At time.Time `json:"at"`
	// Revision is what the request is about; of another revision it is refused. Empty means whichever is there.
	Revision string `json:"revision,omitempty"`
	// By is who asks, as he says himself.
	By string `json:"by,omitempty"`
}

const (
	// requestLife is how old a request may be when it is seen. What was asked for before a process stopped, or was copied with the
	// object into another cluster, is not meant any more.
	requestLife = 5 * time.Minute
	// requestAhead is how far the clock of whoever asks may be ahead of ours.
	requestAhead = time.Minute
	// maxShown bounds what is repeated of an annotation, in bytes.
	maxShown = 100
)

// requests says what each request needs; the sentence is why it is refused, empty if it is not. What is granted is in the
// state afterwards, and the phases act on it.
var requests = map[canaryv1beta1.CanaryRequest]func(*pass) string{
	canaryv1beta1.RequestPromote: (*pass).mayPromote,
	canaryv1beta1.RequestAbort:   (*pass).mayAbort,
	canaryv1beta1.RequestRetry:   (*pass).mayRetry,
}

// answerRequest decides about a request that was not answered yet, and records the answer with the state that follows from
// it: so it is answered once.
func (p *pass) answerRequest() {
	text := p.Annotations[AnnotationRequest]
	if text == "" {
		return
	}
	var last canaryv1beta1.RequestStatus
	if p.st.LastRequest != nil {
		last = *p.st.LastRequest
	}
	var r Request
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.At.IsZero() {
		p.misunderstood(last, fmt.Sprintf("annotation %s cannot be read: %s; write a JSON object with ask (promote, abort or retry) and at (the time, as in RFC 3339)",
			AnnotationRequest, shown(text)))
		return
	}
	r.At = r.At.Truncate(time.Microsecond) // as precise as the status is
	switch {
	case !r.At.After(last.At.Time):
		return
	case r.At.Sub(p.obs.Now) > requestAhead:
		p.misunderstood(last, fmt.Sprintf("annotation %s is of the future: %s; ask again, with the time of now", AnnotationRequest, r.At.UTC().Format(time.RFC3339)))
		return
	}
	answer := canaryv1beta1.RequestStatus{Ask: r.Ask, At: metav1.NewMicroTime(r.At), By: shown(r.By), Outcome: canaryv1beta1.RequestDone}
	if why := p.refuses(r); why != "" {
		answer.Outcome, answer.Message = canaryv1beta1.RequestRefused, why
		p.emit(warning(ReasonRequestRefused, "Request to %s %s%s refused: %s", r.Ask, p.full(), by(answer), why))
	} else {
		p.emit(normal(ReasonRequested, "Request to %s %s%s accepted", r.Ask, p.full(), by(answer)))
	}
	p.st.LastRequest = &answer
}

// misunderstood refuses, once, what cannot be told apart from other requests. The last one stays known, so that it cannot
// come back.
func (p *pass) misunderstood(last canaryv1beta1.RequestStatus, why string) {
	if last.Outcome == canaryv1beta1.RequestRefused && last.Message == why {
		return
	}
	p.emit(warning(ReasonRequestRefused, "Request to %s refused: %s", p.full(), why))
	last.Outcome, last.Message = canaryv1beta1.RequestRefused, why
	p.st.LastRequest = &last
}

func shown(text string) string { return text[:min(len(text), maxShown)] }

func by(r canaryv1beta1.RequestStatus) string {
	if r.By == "" {
		return ""
	}
	return " by " + r.By
}

// refuses says why a request is not granted.
func (p *pass) refuses(r Request) string {
	may, known := requests[r.Ask]
	switch age := p.obs.Now.Sub(r.At); {
	case !known:
		return fmt.Sprintf("%s is none of promote, abort, retry", shown(string(r.Ask)))
	case age > requestLife:
		return fmt.Sprintf("it was asked for %s ago, and things have changed since; ask again", age.Round(time.Second))
	case r.Revision != "" && r.Revision != p.st.Rollout.Revision:
		return fmt.Sprintf("it is about revision %s, and this is about %s now; look at the status and ask again", shown(r.Revision), p.st.Rollout.Revision)
	}
	return may(p)
}

// mayPromote wants a canary that could take everybody: the checks are what is skipped, and the gates, not the pods.
func (p *pass) mayPromote() string {
	if why := p.suspendedWhy(); why != "" {
		return "it " + why + "; resume it first"
	}
	switch p.st.Phase {
	case progressing, waitingPromotion:
	case canaryv1beta1.CanaryPhasePromoting, canaryv1beta1.CanaryPhaseFinalising:
		return "" // that is what happens
	case canaryv1beta1.CanaryPhaseWaiting:
		return "the rollout waits for approval, and no pod runs yet; open its gate first"
	default:
		return fmt.Sprintf("no rollout runs: the phase is %s", p.st.Phase)
	}
	switch {
	case p.obs.Target == nil || p.revision() != p.st.Rollout.Revision:
		return fmt.Sprintf("%s has changed meanwhile; look at the status and ask again", p.target())
	case p.canaryNotReady() != "":
		return fmt.Sprintf("%s is not ready: %s", p.target(), p.canaryNotReady())
	case !p.underway() && p.cannotStart() != "":
		return p.cannotStart()
	}
	p.st.Rollout.Asked = canaryv1beta1.RequestPromote
	return ""
}

// mayAbort wants a rollout. A suspension does not stand in its way.
func (p *pass) mayAbort() string {
	switch p.st.Phase {
	case failed:
		return "" // it has been
	case canaryv1beta1.CanaryPhaseFinalising:
		return "users have the new version already; release the one before to go back"
	}
	if !p.canAbort() {
		return fmt.Sprintf("no rollout runs: the phase is %s", p.st.Phase)
	}
	p.st.Rollout.Asked = canaryv1beta1.RequestAbort
	return ""
}

// mayRetry wants a version that failed and is still there. It becomes new again, and is released like any other.
func (p *pass) mayRetry() string {
	if why := p.suspendedWhy(); why != "" {
		return "it " + why + "; resume it first"
	}
	switch {
	case p.st.Phase == progressing && p.st.Rollout.Step == 0:
		return "" // it has just begun
	case p.st.Phase != failed:
		return fmt.Sprintf("nothing has failed: the phase is %s", p.st.Phase)
	case p.obs.Target == nil:
		return fmt.Sprintf("%s %s not found", p.Spec.TargetRef.Kind, p.target())
	case p.revision() == p.st.LastPromotedSpec:
		return fmt.Sprintf("%s holds the version that users have; change it first", p.target())
	}
	p.st.LastAppliedSpec = p.st.LastPromotedSpec
	return ""
}

// canAbort tells whether there is a rollout that can be rolled back.
func (p *pass) canAbort() bool {
	switch p.st.Phase {
	case canaryv1beta1.CanaryPhaseWaiting, progressing, waitingPromotion, canaryv1beta1.CanaryPhasePromoting:
		return true
	}
	return false
}

// aborts tells whether somebody wants the rollout rolled back.
func (p *pass) aborts() bool { return p.st.Rollout.Asked == canaryv1beta1.RequestAbort && p.canAbort() }

// abort rolls back because somebody wants it. While the primary has no pod it is tried again.
func (p *pass) abort() {
	switch p.st.Phase {
	case canaryv1beta1.CanaryPhaseWaiting:
		p.st.LastAppliedSpec = p.st.Rollout.Revision // tried, as far as it got: it is not new any more
	case canaryv1beta1.CanaryPhasePromoting:
		p.st.Rollout.PromotionFailed = true // the primary is given back what it had
	}
	who := "aborted"
	if p.st.LastRequest != nil {
		who += by(*p.st.LastRequest)
	}
	p.rollBack(who, warning(ReasonRollingBack, "Rolling back %s %s", p.full(), who).
		alerting(canaryv1beta1.SeverityWarn, "Rolling back, %s", who))
}
