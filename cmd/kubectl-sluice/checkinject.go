package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
	kubemesh "github.com/sluice-mesh/sluice/pkg/kube/mesh"
)

func checkInjectCommand(s *shell) *cobra.Command {
	var files []string
	output := ""
	cmd := &cobra.Command{
		Use:   "check-inject [TYPE/NAME...]",
		Short: "Say whether pods get a proxy, whose it is, and why",
		Long: `Say whether the pods of a workload get a proxy when they are created, of which virtual node or gateway, and why.

The answer comes from the same decision as the webhook's. TYPE is pod, deployment, statefulset, daemonset, replicaset, job
or cronjob. A pod that exists is judged as if it were created again now; if that differs from what it is, it says so.

With -f, workloads, App Mesh's objects and Namespaces come from files, and no cluster is asked. A namespace that is in no
file is taken to be labelled enabled, because there would be nothing to ask about otherwise.

The webhook's settings are those of its Deployment, in the cluster or among the files, else its defaults.

Exit codes:
  0  every pod gets what it asks for: a proxy, or none
  1  a pod would be refused, or a pod that exists has no proxy and would get one now
  2  nothing could be checked: no such workload, no such file, no cluster`,
		Example: `  # will my deployment be in the mesh?
  kubectl sluice check-inject deployment/web -n demo

  # before anything is applied
  kubectl sluice check-inject -f mesh/ -f app/

  # for a script
  kubectl sluice check-inject deployment/web -n demo -o json | jq -r '.[].reason'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.checkInject(cmd.Context(), files, output, args)
		},
	}
	cmd.Flags().StringSliceVarP(&files, "filename", "f", nil, "file or directory to read instead of the cluster, or - for standard input; may be repeated")
	choice(cmd, &output, "output", "o", "json or yaml, instead of a line per workload", "json", "yaml")
	return cmd
}

func (s *shell) checkInject(ctx context.Context, files []string, output string, args []string) error {
	in, workloads, err := s.workloads(ctx, files, args)
	if err != nil {
		return err
	}
	for _, l := range in.lost {
		s.line(red, "error", l.text)
	}
	config, err := s.injectConfig(ctx, len(files) > 0, workloads)
	if err != nil {
		return err
	}
	c := newInjector(in, s.system, config)
	answers, ok := []injection{}, len(in.lost) == 0
	for _, w := range workloads {
		a, err := c.answer(w)
		if err != nil {
			s.line(red, "error", fmt.Sprintf("%s/%s/%s: %v", w.GetKind(), w.GetNamespace(), w.GetName(), err))
			ok = false
			continue
		}
		ok = ok && a.Outcome != outcomeRefused && !a.Missing
		answers = append(answers, a)
	}
	if err := s.printInjections(answers, output); err != nil {
		return err
	}
	if !ok {
		return errFound
	}
	return nil
}

// injectConfig is that of the webhook's Deployment, if the cluster has it or it is among the workloads of files; else the
// defaults.
func (s *shell) injectConfig(ctx context.Context, fromFiles bool, workloads []*unstructured.Unstructured) (inject.Config, error) {
	var deployment *unstructured.Unstructured
	if fromFiles {
		if i := slices.IndexFunc(workloads, isWebhook); i >= 0 {
			deployment = workloads[i]
		}
	} else {
		config, err := s.restConfig()
		if err != nil {
			return inject.Config{}, err
		}
		deployment, err = getWorkload(ctx, config, s.system, "deployment/"+sluice.WebhookService)
		if missing := (*noWorkload)(nil); err != nil && !errors.As(err, &missing) {
			s.warn(fmt.Sprintf("the webhook's settings are taken to be the defaults: %v", err))
		}
	}
	var arguments []string
	if deployment != nil {
		arguments = webhookArguments(deployment)
	}
	parsed, err := parseSettings(s.system, arguments)
	return parsed.Inject, err
}

// workloads reads what is to be checked, and what the answer depends on.
func (s *shell) workloads(ctx context.Context, files, args []string) (*input, []*unstructured.Unstructured, error) {
	if len(files) > 0 {
		if len(args) > 0 {
			return nil, nil, errors.New("give TYPE/NAME to ask the cluster, or -f for files, not both")
		}
		objects, problems, err := s.read(files, s.fileNamespace(), func(kind schema.GroupKind) bool {
			_, workload := workloadOf(kind)
			return workload || kubemesh.InSnapshot(kind)
		})
		if err != nil {
			return nil, nil, err
		}
		var found []*unstructured.Unstructured
		for _, o := range objects {
			if _, workload := workloadOf(o.GroupVersionKind().GroupKind()); workload {
				found = append(found, o)
			}
		}
		if len(found) == 0 {
			return nil, nil, errors.New("no file has a workload: a Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob or Pod")
		}
		return snapshotInput(objects, problems), found, nil
	}
	if len(args) == 0 {
		return nil, nil, errors.New("say what to check: TYPE/NAME, such as deployment/web, or -f FILE")
	}
	config, err := s.restConfig()
	if err != nil {
		return nil, nil, err
	}
	var found []*unstructured.Unstructured
	for _, argument := range args {
		w, err := getWorkload(ctx, config, s.namespace(), argument)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, w)
	}
	in, err := fromCluster(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	in.lost = nil // others' objects are not asked about
	return in, found, nil
}

// printInjections writes a line per workload, or all as data.
func (s *shell) printInjections(answers []injection, output string) error {
	if output != "" {
		return s.printData(answers, output)
	}
	colours := map[string]string{outcomeInjected: green, outcomeSkipped: yellow, outcomeRefused: red}
	for _, a := range answers {
		word := a.Outcome
		if a.Missing {
			word = outcomeSkipped
		}
		if _, err := fmt.Fprintf(s.Out, "%s: %s: %s\n", a.object(), paint(s.Out, colours[word], word), a.why()); err != nil {
			return err
		}
	}
	return nil
}
