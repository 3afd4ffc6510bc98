package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
)

func checkWebhookCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "check-webhook",
		Short: "Try whether the cluster's control plane reaches the webhook",
		Long: `Try whether the API server reaches the webhook, and say what to do if it does not.

The API server is asked to create a pod in a namespace that opted in, as a dry run: nothing is created. The pod asks for a
proxy that no virtual node gives it, so the webhook refuses it. That refusal is what is wanted: it has come all the way.

The namespace is that of -n, else any that opted in. It takes the right to create pods there.

Exit codes:
  0  the webhook has answered
  1  it was not asked, or did not answer; the line on standard error says why, and what to do
  2  it could not be tried: no cluster, no rights, no namespace that opted in`,
		Example: `  # after an installation behind a firewall
  kubectl sluice check-webhook

  # in one namespace
  kubectl sluice check-webhook -n demo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.checkWebhook(cmd.Context()) },
	}
}

// podHook is the name of the webhook for pods in its configuration.
const podHook = "mpod.sluice.dev"

func (s *shell) checkWebhook(ctx context.Context) error {
	config, err := s.restConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	namespace, err := s.optedIn(ctx, client)
	if err != nil {
		return advised(err, config)
	}
	_, err = client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, sluice.WebhookService, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		s.line(red, "error", fmt.Sprintf("nobody asks the webhook: there is no MutatingWebhookConfiguration %s; apply config/webhook again", sluice.WebhookService))
		return errFound
	}
	// Who may not read it may still try.
	start := time.Now()
	pod, err := client.CoreV1().Pods(namespace).Create(ctx, trialPod(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	took := time.Since(start).Round(time.Millisecond)
	switch answered, why := judgeTrial(pod, err); {
	case answered:
		_, err := fmt.Fprintf(s.Out, "the webhook answers: a pod of namespace %s was judged within %s\n", namespace, took)
		return err
	case why != "":
		s.line(red, "error", strings.ReplaceAll(why, "NAMESPACE", s.system))
		return errFound
	}
	return advised(fmt.Errorf("try to create a pod in namespace %s: %w", namespace, err), config)
}

var errNobodyOptedIn = errors.New("no namespace has opted in, so there is no pod that the webhook is asked about; label one: kubectl label namespace NAME " +
	appmeshv1beta2.AnnotationSidecarInjectorWebhook + "=" + appmeshv1beta2.ValueEnabled)

// optedIn finds a namespace that the webhook is asked about.
func (s *shell) optedIn(ctx context.Context, client kubernetes.Interface) (string, error) {
	if given := *s.cluster.Namespace; given != "" {
		namespace, err := client.CoreV1().Namespaces().Get(ctx, given, metav1.GetOptions{})
		if err != nil {
			return "", fmt.Errorf("get namespace %s: %w", given, err)
		}
		if asked, reason := inject.Asked(given, s.system, namespace.Labels); !asked {
			return "", fmt.Errorf("namespace %s: %s", given, reason.Sentence())
		}
		return given, nil
	}
	list, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: appmeshv1beta2.AnnotationSidecarInjectorWebhook})
	if err != nil {
		return "", fmt.Errorf("list namespaces: %w", err)
	}
	i := slices.IndexFunc(list.Items, func(n corev1.Namespace) bool {
		asked, _ := inject.Asked(n.Name, s.system, n.Labels)
		return asked && n.DeletionTimestamp == nil
	})
	if i < 0 {
		return "", errNobodyOptedIn
	}
	return list.Items[i].Name, nil
}

// trialPod asks for a proxy. Every level of Pod Security admits it.
func trialPod() *corev1.Pod {
	yes, no := true, false
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "sluice-check-webhook-",
			Annotations:  map[string]string{appmeshv1beta2.AnnotationSidecarInjectorWebhook: appmeshv1beta2.ValueEnabled},
		},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no,
			SecurityContext:              &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{Name: "none", Image: "none", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			}}},
		},
	}
}

// judgeTrial says whether the webhook has answered, and if not, why; neither means that the trial says nothing about that.
func judgeTrial(pod *corev1.Pod, err error) (answered bool, why string) {
	switch {
	case err == nil && pod.Labels[sluice.LabelProxy] != "":
		return true, "" // an empty podSelector selects every pod
	case err == nil:
		return false, fmt.Sprintf("the webhook was not asked, or did not answer, and the pod would be created without its proxy; with the failure policy %s the API server does not say why: "+
			"look for %s in its log, or set the policy to %s and try again", admissionregistrationv1.Ignore, podHook, admissionregistrationv1.Fail)
	case strings.Contains(err.Error(), fmt.Sprintf("admission webhook %q denied the request", podHook)):
		return true, ""
	case strings.Contains(err.Error(), fmt.Sprintf("failed calling webhook %q", podHook)):
		return false, "the API server does not reach the webhook: " + remedyFor(err.Error()) + " (" + err.Error() + ")"
	}
	return false, ""
}

// remedies are by what the API server says; the first that fits counts.
var remedies = []struct {
	words  []string
	remedy string
}{
	{[]string{"proxyconnect", "Proxy Authentication"}, "it goes through an HTTP proxy; except .svc and the addresses of pods and Services by the API server's variable NO_PROXY"},
	{[]string{"no endpoints available"}, "no replica is ready; see kubectl -n NAMESPACE get pods -l " + labelName + "=" + sluice.WebhookService},
	{[]string{"\" not found"}, "its Service is gone; apply config/webhook again"},
	{[]string{"x509:", "tls:"}, "its certificate is not trusted; the process writes the caBundle, see kubectl -n NAMESPACE logs deployment/" + sluice.WebhookService},
	{[]string{"connection refused", "connection reset", "EOF"}, fmt.Sprintf("nothing takes the connection; does the process listen on %d, and does the Service lead there?", sluice.WebhookPort)},
	{[]string{"deadline exceeded", "i/o timeout", "Client.Timeout", "no route to host"}, fmt.Sprintf(
		"nothing answers in time; most often a firewall or a NetworkPolicy drops what comes from the control plane: let it reach port %d of the pods, which is what the Service's 443 leads to", sluice.WebhookPort)},
}

func remedyFor(said string) string {
	for _, r := range remedies {
		if slices.ContainsFunc(r.words, func(word string) bool { return strings.Contains(said, word) }) {
			return r.remedy
		}
	}
	return "see what it says"
}
