package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/sluice-mesh/sluice/cmd/webhook/settings"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/kube/admission"
	"github.com/sluice-mesh/sluice/test/realenvoy"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// TestCheckWebhook: a real API server is in each of the situations, up to the one where the real handlers answer.
func TestCheckWebhook(t *testing.T) {
	config := realkube.Start(t)
	kube := kubernetes.NewForConfigOrDie(config)
	namespace := realkube.Namespace(t, config, nil)
	i := &installation{t: t, config: config, kubeconfig: realkube.Kubeconfig(t, config), namespace: namespace}
	realkube.Kubectl(t, config, "", "-n", namespace, "create", "serviceaccount", "default")
	expect := func(what string, wantCode int, want string) {
		t.Helper()
		var code int
		var said string
		realenvoy.Eventually(t, what, func() bool { // the API server hears of configurations a moment later
			var stdout, stderr string
			code, stdout, stderr = i.sluice("check-webhook")
			said = stdout + stderr
			return code == wantCode && strings.Contains(said, want) && strings.Count(said, "\n") == 1
		})
		t.Logf("%s: %s", what, said)
	}
	expect("nobody opted in", exitFailed, "the namespace has no label appmesh.k8s.aws/sidecarInjectorWebhook")
	realkube.Kubectl(t, config, "", "label", "namespace", namespace, "appmesh.k8s.aws/sidecarInjectorWebhook=enabled")
	expect("no configuration", exitFound, "nobody asks the webhook: there is no MutatingWebhookConfiguration sluice-webhook")

	certificate := httptest.NewTLSServer(nil) // closed at once: its certificate is wanted
	certificate.Close()
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate().Raw})
	port := realenvoy.FreePort(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	url := func(address string) admissionregistrationv1.WebhookClientConfig {
		u := "https://" + address + "/mutate-v1-pod"
		return admissionregistrationv1.WebhookClientConfig{URL: &u, CABundle: bundle}
	}
	ours, path := url(fmt.Sprintf("127.0.0.1:%d", port)), "/mutate-v1-pod"

	i.configured(kube, admissionregistrationv1.Fail, admissionregistrationv1.WebhookClientConfig{
		Service: &admissionregistrationv1.ServiceReference{Namespace: namespace, Name: "gone", Path: &path}})
	expect("no Service", exitFound, "its Service is gone; apply config/webhook again")
	i.configured(kube, admissionregistrationv1.Fail, url(silent.Addr().String()))
	expect("a firewall", exitFound, "let it reach port 9443 of the pods")
	i.configured(kube, admissionregistrationv1.Fail, ours)
	expect("nobody listens", exitFound, "nothing takes the connection")

	serve(t, config, port, certificate.TLS.Certificates[0])
	expect("the real one", exitOK, "the webhook answers: a pod of namespace "+namespace+" was judged within ")
	if code, stdout, _ := i.sluice("check-webhook"); code != exitOK || strings.Count(stdout, "\n") != 1 {
		t.Errorf("exit code %d, %q", code, stdout)
	}
	untrusted := ours
	untrusted.CABundle = nil
	i.configured(kube, admissionregistrationv1.Fail, untrusted)
	expect("a certificate that is not trusted", exitFound, "its certificate is not trusted")
	i.configured(kube, admissionregistrationv1.Ignore, url(silent.Addr().String()))
	expect("a policy that hides it", exitFound, "with the failure policy Ignore the API server does not say why")

	if pods, err := kube.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(pods.Items) > 0 {
		t.Errorf("%v, and %d pods were created", err, len(pods.Items))
	}
}

// configured makes the API server ask about the pods of the test's namespace.
func (i *installation) configured(kube kubernetes.Interface, policy admissionregistrationv1.FailurePolicyType, to admissionregistrationv1.WebhookClientConfig) {
	i.t.Helper()
	none, second := admissionregistrationv1.SideEffectClassNone, int32(1)
	hook := admissionregistrationv1.MutatingWebhook{
		Name: podHook, ClientConfig: to, FailurePolicy: &policy, SideEffects: &none, TimeoutSeconds: &second, AdmissionReviewVersions: []string{"v1"},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": i.namespace}},
		Rules: []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
		}},
	}
	api := kube.AdmissionregistrationV1().MutatingWebhookConfigurations()
	remove := func() { _ = api.Delete(context.Background(), sluice.WebhookService, metav1.DeleteOptions{}) }
	remove()
	i.t.Cleanup(remove)
	if _, err := api.Create(i.t.Context(), &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: sluice.WebhookService}, Webhooks: []admissionregistrationv1.MutatingWebhook{hook},
	}, metav1.CreateOptions{}); err != nil {
		i.t.Fatal(err)
	}
}

// serve runs the webhook's handlers.
func serve(t *testing.T, config *rest.Config, port uint32, certificate tls.Certificate) {
	t.Helper()
	parsed, err := settings.Parse(nil, noEnv, nil)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := admission.New(admission.Options{Client: config, SystemNamespace: sluice.SystemNamespace, Inject: parsed.Inject, Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: int(port), TLSOpts: []func(*tls.Config){func(c *tls.Config) {
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }
	}}})
	answers.Register(server)
	for _, part := range []interface{ Start(context.Context) error }{answers, server} {
		go func() { _ = part.Start(t.Context()) }()
	}
	realenvoy.Eventually(t, "the caches are filled", func() bool { return answers.Ready(nil) == nil })
}

func TestRemedies(t *testing.T) {
	for said, want := range map[string]string{
		`failed to call webhook: Post "https://sluice-webhook.sluice-system.svc:443/mutate-v1-pod?timeout=5s": context deadline exceeded`:           "firewall",
		`failed to call webhook: Post "https://sluice-webhook.sluice-system.svc:443/mutate-v1-pod?timeout=5s": dial tcp 10.0.0.7:9443: i/o timeout`: "port 9443 of the pods",
		`failed to call webhook: Post "...": no endpoints available for service "sluice-webhook"`:                                                   "no replica is ready",
		`failed to call webhook: Post "...": service "sluice-webhook" not found`:                                                                    "its Service is gone",
		`failed to call webhook: Post "...": tls: failed to verify certificate: x509: certificate signed by unknown authority`:                      "not trusted",
		`failed to call webhook: Post "...": proxyconnect tcp: dial tcp 10.1.1.1:3128: i/o timeout`:                                                 "NO_PROXY",
		`failed to call webhook: Post "...": dial tcp 10.96.0.9:443: connect: connection refused`:                                                   "nothing takes the connection",
		`failed to call webhook: something new`: "see what it says",
	} {
		if got := remedyFor(said); !strings.Contains(got, want) {
			t.Errorf("%s\ngot %s, want %s", said, got, want)
		}
	}
}
