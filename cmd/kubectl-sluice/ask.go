package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// askHelp is what the help of the commands that ask for something once have in common.
const askHelp = `

The request is an annotation of the Canary, %s, which the canary process answers once: nothing in the spec changes, so that
nothing that keeps it in Git notices. It is about the revision that is there now, and refused if another has come meanwhile.
You need the right to get, patch and watch the Canary. What became of it is in status.lastRequest and in an event.

Exit codes:
  0  it was accepted, or there was nothing to do
  1  it was refused; the sentence says why
  2  it could not be asked: no such Canary, no right, or no canary process that answers`

func promoteCommand(s *shell) *cobra.Command {
	return askCommand(s, canaryv1beta1.RequestPromote, &cobra.Command{
		Use:   "promote CANARY",
		Short: "Promote a version now: skip the checks and gates that are left",
		Long: `Promote the version under analysis now. The checks that are left are skipped, and the gates; the pods are not: they have to be
ready. A verdict that rolls back wins if it comes first.`,
		Example: `  kubectl sluice promote podinfo -n demo && kubectl sluice status podinfo -n demo --watch`,
	})
}

func abortCommand(s *shell) *cobra.Command {
	return askCommand(s, canaryv1beta1.RequestAbort, &cobra.Command{
		Use:   "abort CANARY",
		Short: "Roll back a version now",
		Long: `Roll back the version under analysis now: all traffic goes back to the primary at once. Only a primary without a ready pod is
waited for. It works in every phase of a rollout, and while the Canary is paused or suspended.`,
		Example: `  kubectl sluice abort podinfo -n demo
  # when it is mended without a new version, such as a dependency
  kubectl sluice retry podinfo -n demo`,
	})
}

func retryCommand(s *shell) *cobra.Command {
	return askCommand(s, canaryv1beta1.RequestRetry, &cobra.Command{
		Use:     "retry CANARY",
		Short:   "Release the same version again after it was rolled back",
		Long:    `Release the same version again, from the beginning, after it was rolled back. All rules and gates of a start hold.`,
		Example: `  kubectl sluice retry podinfo -n demo`,
	})
}

// askCommand completes a command that asks the engine for something once.
func askCommand(s *shell, ask canaryv1beta1.CanaryRequest, cmd *cobra.Command) *cobra.Command {
	cmd.Long += fmt.Sprintf(askHelp, canary.AnnotationRequest)
	cmd.Args = cobra.ExactArgs(1)
	cmd.ValidArgsFunction = s.completeCanary
	timeout := cmd.Flags().Duration("timeout", answerTimeout, "how long to wait for the answer")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return s.ask(cmd.Context(), ask, args[0], *timeout) }
	return cmd
}

func (s *shell) ask(ctx context.Context, ask canaryv1beta1.CanaryRequest, name string, timeout time.Duration) error {
	d, c, err := s.drive(ctx, name, timeout)
	if err != nil {
		return err
	}
	request := requestFor(ask, c, time.Now())
	request.By = d.whoAmI(ctx)
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	value := string(text)
	if c, err = d.annotate(ctx, canary.AnnotationRequest, &value); err != nil {
		return err
	}
	c, err = d.until(ctx, c, func(c *canaryv1beta1.Canary) bool {
		last := c.Status.LastRequest
		return last != nil && !last.At.Time.Before(request.At)
	})
	if err != nil {
		return err
	}
	switch last := c.Status.LastRequest; {
	case !last.At.Time.Equal(request.At):
		s.fail(fmt.Errorf("%s of %s was overtaken by a request to %s that came right after it", ask, d.full, last.Ask))
		return errFound
	case last.Outcome == canaryv1beta1.RequestRefused:
		s.fail(fmt.Errorf("%s of %s is refused: %s", ask, d.full, last.Message))
		return errFound
	}
	s.note(fmt.Sprintf("%s of %s is accepted; follow it with kubectl sluice status %s -n %s --watch", ask, d.full, c.Name, c.Namespace))
	return nil
}

// requestFor makes a request about what is there. It is later than the last one, whatever the clocks say.
func requestFor(ask canaryv1beta1.CanaryRequest, c *canaryv1beta1.Canary, now time.Time) canary.Request {
	at := now.UTC().Truncate(time.Microsecond)
	if last := c.Status.LastRequest; last != nil && !at.After(last.At.Time) {
		at = last.At.Add(time.Microsecond)
	}
	r := canary.Request{Ask: ask, At: at}
	if c.Status.Rollout != nil {
		r.Revision = c.Status.Rollout.Revision
	}
	return r
}
