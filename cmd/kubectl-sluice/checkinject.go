package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/inject"
	kubemesh "github.com/sluice-mesh/sluice/pkg/kube/mesh"
	"github.com/sluice-mesh/sluice/pkg/mesh"
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

// injection is the answer about one workload.
type injection struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Outcome is injected, skipped or refused.
	Outcome string        `json:"outcome"`
	Reason  inject.Reason `json:"reason"`
	Message string        `json:"message"`
	// Target is the virtual node or gateway, as KIND/NAMESPACE/NAME.
	Target string `json:"target,omitempty"`
	// Missing tells of a pod that exists without the proxy that it would get now.
	Missing bool `json:"missing,omitempty"`
}

// The outcomes.
const (
	outcomeInjected = "injected"
	outcomeSkipped  = "skipped"
	outcomeRefused  = "refused"
)

func (s *shell) checkInject(ctx context.Context, files []string, output string, args []string) error {
	in, workloads, err := s.workloads(ctx, files, args)
	if err != nil {
		return err
	}
	for _, l := range in.lost {
		s.line(red, "error", l.text)
	}
	c := newInjectCheck(in, s.system)
	answers, ok := []injection{}, len(in.lost) == 0
	for _, w := range workloads {
		a, err := c.check(w)
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

// workloads reads what is to be checked, and what the answer depends on.
func (s *shell) workloads(ctx context.Context, files, args []string) (*input, []*unstructured.Unstructured, error) {
	if len(files) > 0 {
		if len(args) > 0 {
			return nil, nil, errors.New("give TYPE/NAME to ask the cluster, or -f for files, not both")
		}
		namespace := *s.cluster.Namespace
		if namespace == "" {
			namespace = "default"
		}
		objects, problems, err := s.read(files, namespace, func(kind schema.GroupKind) bool {
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

// injectCheck answers as the webhook would, from a snapshot.
type injectCheck struct {
	index  *inject.Index
	system string
	// labels of the namespaces.
	labels  map[string]map[string]string
	assumed func(namespace string) bool
}

func newInjectCheck(in *input, system string) injectCheck {
	c := injectCheck{index: &inject.Index{}, system: system, labels: map[string]map[string]string{}, assumed: in.assumed}
	snapshot := in.snapshot
	for _, n := range snapshot.Namespaces {
		c.labels[n.Name] = n.Labels
	}
	model, _ := mesh.Build(snapshot)
	// A selector that cannot be read selects nothing; the model's problems tell of it elsewhere.
	for _, v := range snapshot.VirtualNodes {
		if node := model.Node(mesh.ProxyID{Kind: mesh.ProxyVirtualNode, Namespace: v.Namespace, Name: v.Name}); node != nil {
			_ = c.index.Set(inject.NodeCandidate(v, node.Mesh))
		}
	}
	for _, v := range snapshot.VirtualGateways {
		if gateway := model.Gateway(mesh.ProxyID{Kind: mesh.ProxyVirtualGateway, Namespace: v.Namespace, Name: v.Name}); gateway != nil {
			_ = c.index.Set(inject.GatewayCandidate(v, gateway.Mesh))
		}
	}
	return c
}

func (c injectCheck) check(object *unstructured.Unstructured) (injection, error) {
	kind, _ := workloadOf(object.GroupVersionKind().GroupKind())
	out := injection{Kind: kind.kind, Namespace: object.GetNamespace(), Name: object.GetName(), Outcome: outcomeSkipped}
	raw, err := kind.pod(object)
	if err != nil {
		return out, err
	}
	pod, err := inject.Decode(raw, out.Namespace)
	if err != nil {
		return out, err
	}
	labels := c.labels[out.Namespace]
	if c.assumed != nil && c.assumed(out.Namespace) {
		labels = map[string]string{appmeshv1beta2.AnnotationSidecarInjectorWebhook: appmeshv1beta2.ValueEnabled}
	}
	if asked, reason := inject.Asked(out.Namespace, c.system, labels); !asked {
		out.Reason, out.Message = reason, reason.Sentence()
		return out, nil
	}
	d := inject.Decide(pod, labels, c.index)
	out.Reason, out.Message = d.Reason, d.Message
	if d.Target.Name != "" {
		out.Target = fmt.Sprintf("%s/%s/%s", d.Target.Kind, d.Target.Namespace, d.Target.Name)
	}
	switch {
	case d.Deny:
		out.Outcome = outcomeRefused
	case d.Inject, d.Reason == inject.ReasonAlreadyInjected:
		out.Outcome = outcomeInjected
		out.Missing = d.Inject && kind.kind == "Pod" && object.GetUID() != ""
	}
	return out, nil
}

// printInjections writes a line per workload, or all as data.
func (s *shell) printInjections(answers []injection, output string) error {
	if output != "" {
		text, err := json.Marshal(answers)
		if err != nil {
			return err
		}
		if text, err = printed(text, output); err != nil {
			return err
		}
		_, err = s.Out.Write(text)
		return err
	}
	colours := map[string]string{outcomeInjected: green, outcomeSkipped: yellow, outcomeRefused: red}
	for _, a := range answers {
		word, why := a.Outcome, a.Message
		if a.Target != "" {
			why += ", as " + a.Target
		}
		if a.Missing {
			word, why = outcomeSkipped, "it exists without a proxy and would get one now, as "+a.Target+"; create it again"
		}
		if _, err := fmt.Fprintf(s.Out, "%s/%s/%s: %s: %s (%s)\n", a.Kind, a.Namespace, a.Name, paint(s.Out, colours[word], word), why, a.Reason); err != nil {
			return err
		}
	}
	return nil
}
