package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/release"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// gateOptions are the flags of gate.
type gateOptions struct {
	rollback bool
	address  string
}

// moveTimeout bounds what one load tester takes to move its gate.
const moveTimeout = 15 * time.Second

func gateCommand(s *shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gate",
		Short: "Open or close the gate that a release waits for",
		Long: `Open or close the gate that a release waits for: the switch of a load tester, which the Canary asks by a webhook whose URL ends with
/gate/check. An open gate agrees to whatever asks it: the start, a step, or the promotion.`,
		Example: `  # what does it wait for?
  kubectl sluice status podinfo -n demo
  kubectl sluice gate open podinfo -n demo
  kubectl sluice gate close podinfo -n demo`,
	}
	cmd.AddCommand(
		moveGateCommand(s, true, &cobra.Command{Use: "open CANARY", Short: "Agree to what a release waits for"}),
		moveGateCommand(s, false, &cobra.Command{Use: "close CANARY", Short: "Agree no more: the next release waits again"}),
	)
	return cmd
}

func moveGateCommand(s *shell, open bool, cmd *cobra.Command) *cobra.Command {
	var o gateOptions
	verb, _, _ := strings.Cut(cmd.Use, " ")
	cmd.Long = cmd.Short + `.

The load tester is found by the URLs of the Canary's webhooks, and asked by a port-forward to its pods, which it takes for a request of
somebody in its pod. Gates are in the memory of each pod, so all of them are asked, and a load tester that restarts has closed its gates.

You need the right to get the Canary and the Service, to list its EndpointSlices, and to create pods/portforward in its namespace.

Exit codes:
  0  every gate was moved
  1  the Canary has no such gate
  2  a load tester could not be asked`
	cmd.Example = fmt.Sprintf(`  kubectl sluice gate %s podinfo -n demo

  # the gate of the webhooks of the type rollback: open, it rolls the release back
  kubectl sluice gate %s podinfo -n demo --rollback`, verb, verb)
	cmd.Args = cobra.ExactArgs(1)
	cmd.ValidArgsFunction = s.completeCanary
	cmd.Flags().BoolVar(&o.rollback, "rollback", false, "the gate of /rollback/check instead of that of /gate/check")
	cmd.Flags().StringVar(&o.address, "address", "", "HOST:PORT where the load tester answers, instead of a port-forward to its pods")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return s.moveGate(cmd.Context(), args[0], open, o) }
	return cmd
}

func (s *shell) moveGate(ctx context.Context, name string, open bool, o gateOptions) error {
	d, c, err := s.drive(ctx, name, answerTimeout)
	if err != nil {
		return err
	}
	gates, others := release.GatesOf(c, o.rollback)
	if len(gates) == 0 {
		s.fail(noGate(d.full, others, o.rollback))
		return errFound
	}
	client, err := kubernetes.NewForConfig(d.config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	for _, gate := range gates {
		moved, err := s.moveOne(ctx, client, d, gate, gateRequest{c, gate.Path(open)}, o)
		if err != nil {
			return fmt.Errorf("gate %s: %w", gate.URL, err)
		}
		state := map[bool]string{true: "open", false: "closed"}[open]
		s.note(fmt.Sprintf("the gate of %s is %s at %s, for %s", d.full, state, moved, strings.Join(gate.Hooks, ", ")))
	}
	return nil
}

func noGate(canary string, others []string, rollback bool) error {
	path := map[bool]string{true: "/rollback/check", false: "/gate/check"}[rollback]
	if len(others) == 0 {
		return fmt.Errorf("%s has no webhook that asks anybody; one asks a gate if its URL ends with %s", canary, path)
	}
	return fmt.Errorf("%s has no webhook whose URL ends with %s; it asks %s", canary, path, strings.Join(others, ", "))
}

// gateRequest is what a load tester is asked.
type gateRequest struct {
	canary *canaryv1beta1.Canary
	path   string
}

// moveOne asks the pods of one load tester, and says which they are.
func (s *shell) moveOne(ctx context.Context, client kubernetes.Interface, d *driver, gate release.LoadTester, r gateRequest, o gateOptions) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	if o.address != "" {
		return o.address, r.post(ctx, o.address)
	}
	service, err := gate.Service(s.system)
	if err != nil {
		return "", err
	}
	pods, err := podsBehind(ctx, client, service)
	if err != nil {
		return "", advisedGate(err, d)
	}
	var names []string
	for _, pod := range pods {
		way := forward{d.config, client, service.Namespace, pod.name, pod.port}
		if err := way.to(ctx, func(address string) error { return r.post(ctx, address) }); err != nil {
			return "", fmt.Errorf("pod %s/%s: %w", service.Namespace, pod.name, err)
		}
		names = append(names, "pod/"+pod.name)
	}
	return strings.Join(names, ", "), nil
}

func advisedGate(err error, d *driver) error {
	if apierrors.IsNotFound(err) {
		return err // the Service, and the sentence says so
	}
	return advised(err, d.config)
}

// backend is a pod and the port that it serves a Service at.
type backend struct {
	name string
	port int
}

var errNoPod = errors.New("no pod of it is ready")

// podsBehind lists the ready pods of a Service.
func podsBehind(ctx context.Context, client kubernetes.Interface, at release.Service) ([]backend, error) {
	service, err := client.CoreV1().Services(at.Namespace).Get(ctx, at.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	portName := ""
	for _, port := range service.Spec.Ports {
		if int(port.Port) == at.Port {
			portName = port.Name
		}
	}
	slices, err := client.DiscoveryV1().EndpointSlices(at.Namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + at.Name})
	if err != nil {
		return nil, err
	}
	var out []backend
	for _, slice := range slices.Items {
		for _, port := range slice.Ports {
			if port.Name == nil || *port.Name != portName || port.Port == nil {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				ready := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
				if ready && endpoint.TargetRef != nil && endpoint.TargetRef.Kind == "Pod" {
					out = append(out, backend{endpoint.TargetRef.Name, int(*port.Port)})
				}
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("Service %s/%s, port %d: %w", at.Namespace, at.Name, at.Port, errNoPod) //nolint:staticcheck // begins with the name of a kind
	}
	return out, nil
}

// post asks a load tester to move the gate.
func (r gateRequest) post(ctx context.Context, address string) error {
	body, err := json.Marshal(map[string]string{"name": r.canary.Name, "namespace": r.canary.Namespace})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+r.path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	// A proxy of the environment has no business between us and the other end of a port-forward.
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("%s answers %s: %s", r.path, answer.Status, strings.TrimSpace(string(text)))
	}
	return nil
}
