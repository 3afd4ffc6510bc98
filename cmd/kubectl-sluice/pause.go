package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

func pauseCommand(s *shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause CANARY",
		Short: "Stop a release where it is, in whichever phase",
		Long: `Stop a release where it is, in whichever phase: weights, pods and the state stay as they are, and nothing is judged. It is what
spec.suspend does, by an annotation (` + canary.AnnotationPaused + `), so that nothing that keeps the spec in Git undoes it.
abort works meanwhile. After resume the clocks start again, and nothing counts that was due meanwhile.

A release that is paused does not roll back by itself, whatever its metrics are.`,
		Example: `  kubectl sluice pause podinfo -n demo
  kubectl sluice resume podinfo -n demo`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeCanary,
	}
	timeout := cmd.Flags().Duration("timeout", answerTimeout, "how long to wait until it has stopped")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return s.pause(cmd.Context(), args[0], *timeout) }
	return cmd
}

func (s *shell) pause(ctx context.Context, name string, timeout time.Duration) error {
	d, c, err := s.drive(ctx, name, timeout)
	if err != nil {
		return err
	}
	if !canary.IsSuspended(c) {
		value := "since " + time.Now().UTC().Format(time.RFC3339)
		if who := d.whoAmI(ctx); who != "" {
			value = "by " + who + " " + value
		}
		if c, err = d.annotate(ctx, canary.AnnotationPaused, &value); err != nil {
			return err
		}
	}
	if c, err = d.until(ctx, c, canary.HasStopped); err != nil {
		return err
	}
	s.note(fmt.Sprintf("%s %s; go on with kubectl sluice resume %s -n %s", d.full, c.Status.Rollout.Why, c.Name, c.Namespace))
	return nil
}

func resumeCommand(s *shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume CANARY",
		Short: "Let a release go on that was paused",
		Long: `Let a release go on that was paused: the annotation ` + canary.AnnotationPaused + ` is taken away. What is stopped by spec.suspend is
left to whoever owns the spec, and this command says who that is.

Exit codes:
  0  it goes on
  1  it is still stopped, by spec.suspend
  2  it could not be done: no such Canary, no right, or no canary process that answers`,
		Example: `  kubectl sluice resume podinfo -n demo

  # what is suspended by its spec goes on where that is written: in Git, or here
  kubectl patch canary podinfo -n demo --type merge -p '{"spec": {"suspend": false}}'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeCanary,
	}
	timeout := cmd.Flags().Duration("timeout", answerTimeout, "how long to wait until it goes on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return s.resume(cmd.Context(), args[0], *timeout) }
	return cmd
}

func (s *shell) resume(ctx context.Context, name string, timeout time.Duration) error {
	d, c, err := s.drive(ctx, name, timeout)
	if err != nil {
		return err
	}
	if _, paused := c.Annotations[canary.AnnotationPaused]; paused {
		if c, err = d.annotate(ctx, canary.AnnotationPaused, nil); err != nil {
			return err
		}
	}
	if c.Spec.Suspend {
		s.fail(fmt.Errorf("%s is stopped by spec.suspend, which %s wrote; take it away there, for here it would only be put back", d.full, ownerOfSuspend(c)))
		return errFound
	}
	if _, err = d.until(ctx, c, func(c *canaryv1beta1.Canary) bool { return !canary.HasStopped(c) }); err != nil {
		return err
	}
	s.note(d.full + " goes on")
	return nil
}

// ownerOfSuspend is the field manager that wrote spec.suspend.
func ownerOfSuspend(c *canaryv1beta1.Canary) string {
	for _, f := range c.ManagedFields {
		if f.FieldsV1 != nil && strings.Contains(f.FieldsV1.GetRawString(), `"f:suspend"`) {
			return f.Manager
		}
	}
	return "somebody"
}
