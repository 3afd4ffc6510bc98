package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// planOptions are the flags of plan.
type planOptions struct {
	files    []string
	failFrom int
	output   string
}

func planCommand(s *shell) *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan -f FILE [NAME...]",
		Short: "Show what a Canary will do with its next version: every step, and when",
		Long: `Show what a Canary will do with its next version: every step with its share of the requests, and the earliest time of it.

No cluster is asked. The steps come from the engine that runs releases, played in a cluster where nothing takes any time:
every check passes, every webhook agrees at once, and every pod is ready at once. Times count from the moment when the new
version is seen.

With --fail-from K all checks fail from step K on, and the plan shows when that rolls back.

Without NAME all Canaries of the files are shown. HorizontalPodAutoscalers and other Canaries in the files are looked at for
mistakes that would keep the rollout from starting.

Exit codes:
  0  the plan is printed, and it ends with a promotion or, with --fail-from, with a rollback
  1  it is printed, but it ends otherwise: the rollout would not start, or go on, or nothing in it can fail
  2  there is nothing to print: no such file, no Canary in it`,
		Example: `  # how long does my release take, and who gets it when?
  kubectl sluice plan -f canary.yaml

  # how long would a bad version be out, if it turned bad at the third step?
  kubectl sluice plan -f canary.yaml --fail-from 3

  # what does this change make of it?
  diff <(git show HEAD:canary.yaml | kubectl sluice plan -f -) <(kubectl sluice plan -f canary.yaml)

  # for a script
  kubectl sluice plan -f canary.yaml -o json | jq -r '.steps[-1].at'`,
		RunE: func(_ *cobra.Command, args []string) error { return s.plan(o, args) },
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.files, "filename", "f", nil, "file or directory to read, or - for standard input; may be repeated")
	f.IntVar(&o.failFrom, "fail-from", 0, "step from which on all checks fail; 0 lets all pass")
	choice(cmd, &o.output, "output", "o", "json or yaml, instead of a table", "json", "yaml")
	return cmd
}

func (s *shell) plan(o planOptions, names []string) error {
	switch {
	case len(o.files) == 0:
		return errors.New("say what to look at: -f FILE")
	case o.failFrom < 0:
		return fmt.Errorf("--fail-from %d: the first step that can fail is 1", o.failFrom)
	}
	canaries, around, complete, err := s.releases(o.files)
	if err != nil {
		return err
	}
	shown := 0
	for _, c := range canaries {
		if len(names) > 0 && !slices.Contains(names, c.Name) {
			continue
		}
		if shown++; shown > 1 && o.output == "" {
			fmt.Fprintln(s.Out)
		}
		ends, err := s.planOne(c, o, around)
		if err != nil {
			return err
		}
		complete = complete && ends
	}
	switch {
	case shown == 0:
		return fmt.Errorf("no file has the Canary %s", strings.Join(names, ", "))
	case !complete:
		return errFound
	}
	return nil
}

// releases reads the Canaries and what the rulebook relates them to, and says whether all of it could be read.
func (s *shell) releases(files []string) ([]*canaryv1beta1.Canary, *validate.Index, bool, error) {
	objects, problems, err := s.read(files, s.fileNamespace(), func(kind schema.GroupKind) bool {
		_, known := validate.KindOf(kind)
		return known
	})
	if err != nil {
		return nil, nil, false, err
	}
	complete := len(problems) == 0
	for _, p := range problems {
		s.line(red, "error", p.String())
	}
	var canaries []*canaryv1beta1.Canary
	around := validate.NewIndex()
	for _, u := range objects {
		object, err := decodeRelated(u)
		if err != nil {
			complete = false
			s.line(red, "error", fmt.Sprintf("%s/%s/%s: %v", u.GetKind(), u.GetNamespace(), u.GetName(), err))
			continue
		}
		around.Set(u.GetKind(), object)
		if c, ok := object.(*canaryv1beta1.Canary); ok {
			canaries = append(canaries, c)
		}
	}
	if len(canaries) == 0 {
		if !complete {
			return nil, nil, false, errFailed
		}
		return nil, nil, false, errors.New("no file has a Canary")
	}
	return canaries, around, complete, nil
}

// planOne prints one plan, and says whether it ends as was asked for.
func (s *shell) planOne(c *canaryv1beta1.Canary, o planOptions, around *validate.Index) (bool, error) {
	// What is merely not in the files is in the cluster, for all we know: only what is certain to break counts.
	blockers := validate.Denied(validate.Canary(nil, c, validate.World{At: validate.Lint, Cluster: around}))
	preview, err := canary.NewPreview(c, canary.Assumptions{FailFrom: o.failFrom, Blockers: blockers})
	if err != nil {
		return false, fmt.Errorf("Canary/%s/%s: %w", c.Namespace, c.Name, err)
	}
	if preview.Unsupported != "" {
		s.warn(fmt.Sprintf("Canary/%s/%s: %s", c.Namespace, c.Name, preview.Unsupported))
	}
	wanted := canaryv1beta1.CanaryPhaseSucceeded
	if o.failFrom > 0 {
		wanted = canaryv1beta1.CanaryPhaseFailed
	}
	if o.output == "" {
		return preview.End.Phase == wanted, s.printPlan(c, preview, o)
	}
	return preview.End.Phase == wanted, s.printData(planned(c, preview), o.output)
}
