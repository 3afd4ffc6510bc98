package release

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Tone says how a piece of text is meant, for terminals that have colours.
type Tone int

// Tones.
const (
	Plain Tone = iota
	Good
	Attention
	Bad
)

// Style says what a tree looks like.
type Style struct {
	// Paint colours a text; nil leaves it as it is.
	Paint func(Tone, string) string
	// Now is what ages are counted from. The zero time leaves ages out, so that a line changes only with what it says.
	Now time.Time
	// Wide shows more.
	Wide bool
}

// node is a line of the tree, and those under it.
type node struct {
	label, text string
	tone        Tone
	under       []node
}

// eventsShown is how many events people see who do not ask for more.
const eventsShown = 5

// Tree draws the view as lines.
func (v View) Tree(style Style) []string {
	root := v.node(style)
	lines := []string{style.paint(root.tone, root.text)}
	return append(lines, branches(root.under, "", style)...)
}

// Flat gives a line for each node, which begins with the way to it, so that one that changes can be told alone.
func (v View) Flat(style Style) []string {
	return flat(v.node(style), "", style)
}

func flat(n node, way string, style Style) []string {
	line := strings.TrimSpace(strings.Join([]string{way + n.label, style.paint(n.tone, n.text)}, "   "))
	var out []string
	if n.text != "" { // else it only has others under it
		out = append(out, line)
	}
	if way == "" {
		way = n.text[:max(0, strings.Index(n.text, ":"))]
		way = strings.TrimPrefix(way, "Canary ") + " "
	} else {
		way += n.label + " "
	}
	for _, child := range n.under {
		out = append(out, flat(child, way, style)...)
	}
	return out
}

// branches draws nodes of one level, their labels as wide as the widest.
func branches(nodes []node, indent string, style Style) []string {
	width := 0
	for _, n := range nodes {
		width = max(width, len(n.label))
	}
	var out []string
	for i, n := range nodes {
		branch, below := "├─ ", "│  "
		if i == len(nodes)-1 {
			branch, below = "└─ ", "   "
		}
		text := style.paint(n.tone, n.text)
		line := fmt.Sprintf("%s%s%-*s   %s", indent, branch, width, n.label, text)
		out = append(out, strings.TrimRight(line, " "))
		out = append(out, branches(n.under, indent+below, style)...)
	}
	return out
}

func (s Style) paint(tone Tone, text string) string {
	if s.Paint == nil || tone == Plain {
		return text
	}
	return s.Paint(tone, text)
}

// ago is an age in brackets, where ages are wanted.
func (s Style) ago(at metav1.Time) string {
	if s.Now.IsZero() || at.IsZero() {
		return ""
	}
	if d := at.Sub(s.Now); d > 0 {
		return fmt.Sprintf(" (in %s)", duration.HumanDuration(d))
	}
	return fmt.Sprintf(" (%s ago)", duration.HumanDuration(age(s.Now, at)))
}

// age is how long ago something was.
func age(now time.Time, at metav1.Time) time.Duration { return now.Sub(at.Time) }

func clock(at metav1.Time) string { return at.UTC().Format(time.TimeOnly) }

func (v View) node(style Style) node {
	root := node{text: fmt.Sprintf("Canary %s/%s: %s", v.Namespace, v.Name, v.headline()), tone: PhaseTone(v.Phase)}
	add := func(label string, nodes ...node) {
		if len(nodes) > 0 {
			root.under = append(root.under, node{label: label, under: nodes})
		}
	}
	if v.Why != "" {
		root.under = append(root.under, node{label: "why", text: v.Why})
	}
	root.under = append(root.under, node{label: "kind", text: v.Kind})
	for _, version := range []struct {
		label string
		*Version
		share string
	}{{"primary", v.Primary, v.share(true)}, {"canary", v.Canary, v.share(false)}} {
		if version.Version != nil {
			root.under = append(root.under, version.node(version.label, version.share, style))
		}
	}
	if v.Weights != nil {
		root.under = append(root.under, v.Weights.node(style))
	}
	root.under = append(root.under, v.Checks.node(style))
	add("metrics", metricNodes(v.Metrics)...)
	if v.Evidence != nil {
		root.under = append(root.under, v.Evidence.node())
	}
	add("gates", gateNodes(v)...)
	if v.Request != nil {
		root.under = append(root.under, requestNode(*v.Request, style))
	}
	add("problems", problemNodes(v.Problems)...)
	add("events", eventNodes(v.Events, style)...)
	return root
}

// headline is the state in a few words.
func (v View) headline() string {
	phase := string(v.Phase)
	if phase == "" {
		phase = "not looked at yet; does the canary process run?"
	}
	if v.Suspended {
		phase += ", suspended"
	}
	switch v.Phase {
	case canaryv1beta1.CanaryPhaseProgressing, canaryv1beta1.CanaryPhaseWaitingPromotion, canaryv1beta1.CanaryPhasePromoting, canaryv1beta1.CanaryPhaseFinalising:
		return fmt.Sprintf("%s, step %d of %d, canary weight %d%%", phase, v.Step, v.Steps, v.Weight)
	}
	return phase
}

// PhaseTone says how good news a phase is.
func PhaseTone(p canaryv1beta1.CanaryPhase) Tone {
	switch p {
	case canaryv1beta1.CanaryPhaseInitialized, canaryv1beta1.CanaryPhaseSucceeded:
		return Good
	case canaryv1beta1.CanaryPhaseFailed, "":
		return Bad
	}
	return Attention
}

// share is what of everybody's requests a version gets, as far as that is known. In an A/B test nobody knows.
func (v View) share(primary bool) string {
	if v.Weights == nil || v.Weights.Written == nil || v.Strategy == canaryv1beta1.StrategyABTesting {
		return ""
	}
	n := *v.Weights.Written
	if primary {
		n = 100 - n
	}
	return fmt.Sprintf("%d%%", n)
}

func (v Version) node(label, share string, style Style) node {
	n := node{label: label, text: v.Kind + "/" + v.Name}
	if v.Missing {
		n.text, n.tone = n.text+" does not exist", Bad
		return n
	}
	parts := []string{n.text}
	if share != "" {
		parts = append(parts, share)
	}
	if v.counted {
		parts = append(parts, fmt.Sprintf("%d/%d ready", v.Ready, v.Replicas))
		if v.Ready < v.Replicas {
			n.tone = Attention
		}
	}
	if len(v.Images) > 0 {
		parts = append(parts, strings.Join(v.Images, ", "))
	}
	if v.Revision != "" {
		parts = append(parts, "revision "+short(v.Revision, style))
	}
	n.text = strings.Join(parts, "   ")
	if v.Scaler != nil {
		n.under = append(n.under, v.Scaler.node())
	}
	return n
}

// shortRevision is as much of a hash as people compare.
const shortRevision = 8

func short(revision string, style Style) string {
	if style.Wide {
		return revision
	}
	return revision[:min(shortRevision, len(revision))]
}

func (s Scaler) node() node {
	if s.Missing {
		return node{label: "autoscaler", text: s.Kind + "/" + s.Name + " does not exist", tone: Bad}
	}
	low := "1"
	if s.Min != nil {
		low = fmt.Sprint(*s.Min)
	}
	return node{label: "autoscaler", text: fmt.Sprintf("%s/%s   %s to %d replicas", s.Kind, s.Name, low, s.Max)}
}

func (w Weights) node(style Style) node {
	n := node{label: "weights", text: fmt.Sprintf("asked %d%%", w.Asked)}
	switch {
	case w.Written == nil:
		n.text, n.tone = n.text+", no router holds it", Attention
	case *w.Written != w.Asked:
		n.text, n.tone = fmt.Sprintf("%s, the router holds %d%%", n.text, *w.Written), Attention
	case w.InForceSince.IsZero():
		n.text, n.tone = n.text+", written, not in force at every caller yet", Attention
	default:
		n.text += ", in force since " + clock(w.InForceSince) + style.ago(w.InForceSince)
	}
	if w.Mirror > 0 {
		n.text += fmt.Sprintf("; %d%% of the requests are copied to the canary", w.Mirror)
	}
	return n
}

func (c Checks) node(style Style) node {
	n := node{label: "checks", text: fmt.Sprintf("%d of %d failed", c.Failed, c.Threshold)}
	if c.Failed > 0 {
		n.tone = Attention
	}
	if !c.Next.IsZero() {
		n.text += ", next at " + clock(c.Next) + style.ago(c.Next)
	}
	return n
}

func verdictTone(v canaryv1beta1.Verdict) Tone {
	switch v {
	case canaryv1beta1.VerdictPass:
		return Good
	case canaryv1beta1.VerdictFail:
		return Bad
	}
	return Attention
}

func metricNodes(metrics []canaryv1beta1.MetricResult) []node {
	var out []node
	for _, m := range metrics {
		parts := []string{string(m.Verdict)}
		if m.Value != "" {
			parts = append(parts, m.Value)
		}
		if m.Min != "" {
			parts = append(parts, "at least "+m.Min)
		}
		if m.Max != "" {
			parts = append(parts, "at most "+m.Max)
		}
		if m.Samples > 0 {
			parts = append(parts, fmt.Sprintf("of %d requests", m.Samples))
		}
		if m.Message != "" {
			parts = append(parts, m.Message)
		}
		out = append(out, node{label: m.Name, text: strings.Join(parts, "   "), tone: verdictTone(m.Verdict)})
	}
	return out
}

func (e Evidence) node() node {
	n := node{label: "evidence", text: string(e.Verdict), tone: verdictTone(e.Verdict)}
	if e.LogEvidence != "" {
		n.text += fmt.Sprintf("   %s of the %s that roll back", e.LogEvidence, e.Limit)
	}
	if e.Message != "" {
		n.text += "   " + e.Message
	}
	for _, m := range e.Metrics {
		text := fmt.Sprintf("canary %d bad of %d, primary %d bad of %d", m.Canary.Bad, m.Canary.Requests, m.Primary.Bad, m.Primary.Requests)
		if m.Owed != "" {
			text += ", owes " + m.Owed
		}
		n.under = append(n.under, node{label: m.Name, text: text})
	}
	return n
}

func gateNodes(v View) []node {
	var out []node
	for _, g := range v.Gates {
		n := node{label: g.Name, text: fmt.Sprintf("%s at %s", g.Type, g.URL)}
		if g.Waiting {
			n.text, n.tone = fmt.Sprintf("%s waits for %s", g.Type, g.URL), Attention
			if IsGate(g.URL) {
				n.text += fmt.Sprintf("; to agree: kubectl sluice gate open %s -n %s", v.Name, v.Namespace)
			}
		}
		out = append(out, n)
	}
	return out
}

func requestNode(r canaryv1beta1.RequestStatus, style Style) node {
	n := node{label: "request", text: string(r.Ask)}
	if r.By != "" {
		n.text += " by " + r.By
	}
	at := metav1.NewTime(r.At.Time)
	n.text += " at " + clock(at) + style.ago(at)
	if r.Outcome == canaryv1beta1.RequestRefused {
		n.text, n.tone = n.text+" was refused: "+r.Message, Attention
		return n
	}
	n.text += " was accepted"
	return n
}

func problemNodes(problems []Problem) []node {
	var out []node
	for _, p := range problems {
		out = append(out, node{label: p.Type, text: p.Message, tone: Attention})
	}
	return out
}

func eventNodes(events []Event, style Style) []node {
	if !style.Wide {
		events = events[max(0, len(events)-eventsShown):]
	}
	var out []node
	for _, e := range events {
		label := clock(e.Time)
		if !style.Now.IsZero() {
			label = duration.HumanDuration(age(style.Now, e.Time)) + " ago"
		}
		n := node{label: label, text: e.Message}
		if e.Type == "Warning" {
			n.tone = Attention
		}
		if e.Count > 1 {
			n.text += fmt.Sprintf(" (%d times)", e.Count)
		}
		if style.Wide {
			n.text = e.Reason + "   " + n.text
		}
		out = append(out, n)
	}
	return out
}
