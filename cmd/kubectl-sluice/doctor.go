package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/diagnosis"
)

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	output    string
	addresses []string
}

func doctorCommand(s *shell) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether the installation is healthy, what is wrong, and what to do",
		Long: `Look at an installation and say whether it is healthy, what is wrong, and what to do:

  processes          webhook, mesh and canary are there, ready, and of one version
  kinds              the CustomResourceDefinitions have the fields that Sluice adds; an older Flagger's would drop them
  webhooks           ours are configured and trusted, and a trial pod is judged (as a dry run: nothing is created)
  certificates       those of our processes are valid and signed by the authority beside them
  dead-webhooks      others' webhooks that refuse everything because nobody is behind them any more
  other-controllers  Flagger or App Mesh's controller, which would write against Sluice
  namespaces         those with virtual nodes are selected by a Mesh and have opted in
  proxies            all are connected and have the newest configuration
  naked-pods         pods without the proxy that they would get now

Nothing is changed. What you may not read is told as unknown; an administrator sees everything.

Exit codes:
  0  healthy; there may be warnings
  1  something is wrong
  2  something could not be looked at, and nothing that could is wrong`,
		Example: `  kubectl sluice doctor

  # in a pipeline, after an installation
  kubectl sluice doctor -o json | jq -r '.[] | select(.severity == "error") | .message'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.doctor(cmd.Context(), o) },
	}
	cmd.Flags().StringSliceVar(&o.addresses, "address", nil, "HOST:PORT where a replica of mesh serves "+debugProxies+", instead of a port-forward to its pod; may be repeated")
	choice(cmd, &o.output, "output", "o", "json or yaml, instead of text", "json", "yaml")
	return cmd
}

func (s *shell) doctor(ctx context.Context, o doctorOptions) error {
	if o.output != "" && o.output != "json" && o.output != "yaml" {
		return unknownOutput(o.output, "json", "yaml")
	}
	config, err := s.restConfig()
	if err != nil {
		return err
	}
	p, err := newPatient(config, s.system)
	if err != nil {
		return err
	}
	// One question that everybody may ask, to tell a cluster that does not answer from rights that are missing.
	if _, err := p.kube.Discovery().ServerVersion(); err != nil {
		return advised(err, config)
	}
	findings := diagnosis.Of(s.examine(ctx, p, o.addresses))
	if err := s.printDiagnosis(findings, o.output); err != nil {
		return err
	}
	switch diagnosis.Worst(findings) {
	case diagnosis.Error:
		return errFound
	case diagnosis.Unknown:
		return errFailed
	}
	return nil
}

// severityColours are all equally long when they are printed.
var severityColours = map[diagnosis.Severity]string{
	diagnosis.OK: green, diagnosis.Warning: yellow, diagnosis.Unknown: yellow, diagnosis.Error: red,
}

func (s *shell) printDiagnosis(findings []diagnosis.Finding, output string) error {
	if output != "" {
		return s.printData(findings, output)
	}
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(columns, "%s\t%s\t%s\n", paint(s.Out, severityColours[f.Severity], string(f.Severity)), f.Check, oneLine(f.Message))
		if f.Remedy != "" {
			fmt.Fprintf(columns, "%s\t\tto do: %s\n", paint(s.Out, uncoloured, ""), oneLine(f.Remedy))
		}
	}
	_ = columns.Flush() // writing to memory does not fail
	_, err := fmt.Fprint(s.Out, text.String())
	return err
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// trial asks the webhook to judge a pod, and says why it did not; errors are about the asking.
func (s *shell) trial(ctx context.Context, p *patient) (string, error) {
	namespace, err := s.optedInAnywhere(ctx, p)
	if err != nil || namespace == "" {
		return "", err // nobody has opted in, so nobody is hurt
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	pod, err := p.kube.CoreV1().Pods(namespace).Create(ctx, trialPod(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	answered, why := judgeTrial(pod, err)
	switch {
	case answered:
		return "", nil
	case why != "":
		return strings.ReplaceAll(why, "NAMESPACE", s.system), nil
	}
	return "", fmt.Errorf("try to create a pod in namespace %s: %w", namespace, err)
}

// optedInAnywhere is any namespace that opted in; empty for none.
func (s *shell) optedInAnywhere(ctx context.Context, p *patient) (string, error) {
	namespace, err := s.optedIn(ctx, p.kube)
	if errors.Is(err, errNobodyOptedIn) {
		return "", nil
	}
	return namespace, err
}
