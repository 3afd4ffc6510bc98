package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// statusOptions are the flags of status.
type statusOptions struct {
	all, watch bool
	output     string
}

var statusFormats = []string{"wide", "json", "yaml"}

func statusCommand(s *shell) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:     "status [CANARY]",
		Aliases: []string{"st"},
		Short:   "Show where a release stands: who gets what, the last verdicts, and what it waits for",
		Long: `Show where a release stands. With a name, all there is to know of one Canary:

  why         what it waits for
  primary     the version that users have, with its share of the requests, its pods, and its autoscaler
  canary      the version under analysis; its Deployment or DaemonSet is the one that you change
  weights     what the engine asks for, what the router holds, and since when every caller has it
  checks      how many failed, how many may, and when the next one is
  metrics     the verdict of each at the last check, with the number of requests that it is made of
  gates       the webhooks that people decide by, and which of them is waited for
  problems    conditions that say that something is not as it should be, broken rules among them
  events      the last five; with -o wide the last twenty, with their reasons

Without a name, a table of all Canaries of the namespace, or with -A of all namespaces.

--watch goes on, and tells of every change when it happens: nothing is polled. On a terminal the picture is drawn anew; in
a pipe only the lines that changed are printed, with times instead of ages.

You need the right to list, and for --watch to watch, canaries, events, the target's kind, autoscalers and virtualrouters.
What you may not read is left out, with a warning.`,
		Example: `  # all releases of a namespace, or of the cluster
  kubectl sluice status -n demo
  kubectl sluice status -A

  # one of them, live
  kubectl sluice status podinfo -n demo --watch

  # in a script: what does it wait for, and how did the metrics do?
  kubectl sluice status podinfo -n demo -o json | jq -r '.why, (.metrics[]? | .name + " " + .verdict)'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.completeCanary,
		RunE:              func(cmd *cobra.Command, args []string) error { return s.status(cmd.Context(), o, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all-namespaces", "A", false, "the Canaries of all namespaces")
	f.BoolVarP(&o.watch, "watch", "w", false, "go on, and show every change when it happens")
	choice(cmd, &o.output, "output", "o", strings.Join(statusFormats, ", "), statusFormats...)
	return cmd
}

func (s *shell) status(ctx context.Context, o statusOptions, names []string) error {
	switch {
	case o.output != "" && !slices.Contains(statusFormats, o.output):
		return unknownOutput(o.output, statusFormats...)
	case o.all && len(names) > 0:
		return errors.New("a Canary is named in one namespace; use -n instead of -A")
	case o.watch && o.output != "" && o.output != "wide":
		return errors.New("--watch is for people; programs can watch the Canary itself: kubectl get canary -o json --watch")
	}
	config, err := s.restConfig()
	if err != nil {
		return err
	}
	look, err := s.pictureOf(ctx, config, o, names)
	if err != nil {
		return err
	}
	if o.watch {
		return s.watchStatus(ctx, look, o)
	}
	return s.printStatus(look.views(), look.single, o)
}

// pictureOf reads what the status is made of: of one Canary everything, of many only themselves.
func (s *shell) pictureOf(ctx context.Context, config *rest.Config, o statusOptions, names []string) (*picture, error) {
	p, err := newPicture(config, s.namespace())
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if o.all {
			p.namespace = metav1.NamespaceAll
		}
		return p, p.read(ctx, s, part{role: roleCanary, resource: canaryResource})
	}
	p.single = true
	if err := p.read(ctx, s, part{role: roleCanary, resource: canaryResource, name: names[0]}); err != nil {
		return nil, err
	}
	canaries := p.canaries()
	if len(canaries) == 0 {
		return nil, fmt.Errorf("namespace %s has no Canary %s; say where it is with -n, or list all with kubectl sluice status -A", p.namespace, names[0])
	}
	mapper, err := s.cluster.ToRESTMapper()
	if err != nil {
		return nil, advised(err, config)
	}
	for _, part := range partsOf(canaries[0], mapper) {
		if err := p.read(ctx, s, part); err != nil {
			return nil, err
		}
	}
	return p, nil
}
