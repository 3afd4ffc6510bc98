package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// plan is a preview as data.
type plan struct {
	Name     string                        `json:"name"`
	Strategy canaryv1beta1.ReleaseStrategy `json:"strategy"`
	Steps    []planStep                    `json:"steps"`
	// Outcome is the phase at the end, and Why says what it waits for if that is neither Succeeded nor Failed.
	Outcome canaryv1beta1.CanaryPhase `json:"outcome"`
	Why     string                    `json:"why,omitempty"`
	Hooks   []planHook                `json:"hooks,omitempty"`
}

// planStep is a step that changes who gets what. Shares are in percent of the strategy's requests.
type planStep struct {
	At      string                    `json:"at"`
	Phase   canaryv1beta1.CanaryPhase `json:"phase"`
	Primary int                       `json:"primary"`
	Canary  int                       `json:"canary"`
	// Mirror is how much is copied to the canary, and Iteration counts checks.
	Mirror    int `json:"mirror,omitempty"`
	Iteration int `json:"iteration,omitempty"`
}

type planHook struct {
	Name string                 `json:"name"`
	Type canaryv1beta1.HookType `json:"type"`
}

func planned(c *canaryv1beta1.Canary, preview canary.Preview) plan {
	out := plan{
		Name: c.Namespace + "/" + c.Name, Strategy: canary.StrategyOf(c), Steps: []planStep{},
		Outcome: preview.End.Phase, Hooks: planHooks(c),
	}
	if !ended(preview.End) {
		out.Why = preview.Why
	}
	var before canary.PreviewStep
	for _, step := range worthTelling(preview.Steps) {
		failed := step.FailedChecks > before.FailedChecks
		before = step
		if failed || step.Phase == canaryv1beta1.CanaryPhaseWaiting || step.Phase == canaryv1beta1.CanaryPhaseProgressing && step.Step == 0 {
			continue // nothing changes for users
		}
		out.Steps = append(out.Steps, planStep{
			At: fmt.Sprintf("%ds", int64(step.After.Seconds())), Phase: step.Phase,
			Primary: 100 - step.Weight, Canary: step.Weight, Mirror: step.Weights.Mirror, Iteration: step.Iterations,
		})
	}
	return out
}

func ended(s canary.PreviewStep) bool {
	return s.Phase == canaryv1beta1.CanaryPhaseSucceeded || s.Phase == canaryv1beta1.CanaryPhaseFailed
}

// worthTelling leaves out what lasts no time and changes no share: it is there to wait for something that a plan does
// not wait for.
func worthTelling(steps []canary.PreviewStep) []canary.PreviewStep {
	var out []canary.PreviewStep
	for _, step := range steps {
		if n := len(out); n > 0 && out[n-1].After == step.After && out[n-1].Weight == step.Weight {
			step.Events = append(out[n-1].Events, step.Events...)
			out = out[:n-1]
		}
		out = append(out, step)
	}
	return out
}

func planHooks(c *canaryv1beta1.Canary) []planHook {
	if c.Spec.Analysis == nil {
		return nil
	}
	var out []planHook
	for _, w := range c.Spec.Analysis.Webhooks {
		if w.Type == "" {
			w.Type = canaryv1beta1.RolloutHook
		}
		out = append(out, planHook{w.Name, w.Type})
	}
	return out
}

// hookMeanings say when a webhook is called and what its answer decides.
var hookMeanings = map[canaryv1beta1.HookType]string{
	canaryv1beta1.ConfirmRolloutHook:         "before the rollout starts: holds it until it agrees",
	canaryv1beta1.PreRolloutHook:             "before the first step: a refusal is a failed check",
	canaryv1beta1.RolloutHook:                "at every check after the first step: a refusal is a failed check",
	canaryv1beta1.ConfirmTrafficIncreaseHook: "before every step up: holds it until it agrees",
	canaryv1beta1.ConfirmPromotionHook:       "before the promotion: holds it until it agrees",
	canaryv1beta1.PostRolloutHook:            "after the end: its answer decides nothing",
	canaryv1beta1.RollbackHook:               "at every check: rolls back when it agrees",
	canaryv1beta1.EventHook:                  "told of every event: its answer decides nothing",
}

// printPlan prints a plan for people.
func (s *shell) printPlan(c *canaryv1beta1.Canary, preview canary.Preview, o planOptions) error {
	var text strings.Builder
	fmt.Fprintf(&text, "Canary %s/%s: %s\n", c.Namespace, c.Name, canary.Describe(c))
	columns := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	if len(preview.Steps) > 0 {
		fmt.Fprintln(columns, "\nAT\tSTEP\tPHASE\tPRIMARY\tCANARY\tWHAT HAPPENS")
	}
	for _, step := range worthTelling(preview.Steps) {
		number := "-"
		if step.Phase == canaryv1beta1.CanaryPhaseProgressing && step.Step > 0 {
			number = fmt.Sprint(step.Step)
		}
		fmt.Fprintf(columns, "%s\t%s\t%s\t%d%%\t%d%%\t%s\n", step.After, number, step.Phase, 100-step.Weight, step.Weight, step.Sentences())
	}
	if hooks := planHooks(c); len(hooks) > 0 {
		fmt.Fprintln(columns, "\nWEBHOOK\tTYPE\tCALLED")
		for _, h := range hooks {
			fmt.Fprintf(columns, "%s\t%s\t%s\n", h.Name, h.Type, hookMeanings[h.Type])
		}
	}
	_ = columns.Flush() // writing to memory does not fail
	fmt.Fprintf(&text, "\n%s\n", conclusion(preview, o))
	if g := gateOf(c); o.failFrom > 0 && g != nil && g.Mode == canaryv1beta1.GateModeContinuous {
		fmt.Fprintln(&text, "The continuous judge does not wait for checks: it rolls back as soon as enough requests have failed.")
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(s.Out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

func gateOf(c *canaryv1beta1.Canary) *canaryv1beta1.AnalysisGate {
	if c.Spec.Analysis == nil {
		return nil
	}
	return c.Spec.Analysis.Gate
}

// conclusion says how it ends, and what to ask next.
func conclusion(preview canary.Preview, o planOptions) string {
	end, at := preview.End, preview.End.After.Round(time.Second)
	switch {
	case !ended(end) && end.Phase == "":
		return "Nothing will happen: " + preview.Why + "."
	case !ended(end):
		return fmt.Sprintf("It stays %s: %s.", end.Phase, preview.Why)
	case o.failFrom == 0:
		return fmt.Sprintf("%s after %s at the earliest: every check passes, webhooks agree and pods are ready at once.\n"+
			"--fail-from 1 shows when it is rolled back if they do not.", end.Phase, at)
	case end.Phase == canaryv1beta1.CanaryPhaseFailed:
		return fmt.Sprintf("%s after %s, if every check from step %d on fails and nothing else takes any time.", end.Phase, at, o.failFrom)
	}
	return fmt.Sprintf("%s after %s although every check from step %d on fails: there is no such step, or nothing that could fail.\n"+
		"A metric or a webhook of the type rollout can.", end.Phase, at, o.failFrom)
}
