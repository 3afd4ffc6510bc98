package mesh

import (
	"fmt"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestFindLegacyHooks(t *testing.T) {
	fail, ignore := admissionregistrationv1.Fail, admissionregistrationv1.Ignore
	path := func(p string) *string { return &p }
	to := func(path *string) admissionregistrationv1.WebhookClientConfig {
		return admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Namespace: "appmesh-system", Name: "hook", Path: path}}
	}
	mutating := func(hooks ...admissionregistrationv1.MutatingWebhook) any {
		return &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "conf"}, Webhooks: hooks}
	}
	pods := admissionregistrationv1.MutatingWebhook{Name: "mpod.appmesh.k8s.aws", FailurePolicy: &fail, ClientConfig: to(path("/mutate-v1-pod"))}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "appmesh-system", Name: "hook"}}
	slice := func(ready bool) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "appmesh-system", Name: "hook-1", Labels: map[string]string{discoveryv1.LabelServiceName: "hook"}},
			Endpoints:  []discoveryv1.Endpoint{{Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
		}
	}
	const command = "kubectl delete mutatingwebhookconfiguration conf"
	for name, c := range map[string]struct {
		configuration any
		services      []*corev1.Service
		endpoints     []*discoveryv1.EndpointSlice
		want          string
	}{
		"no Service":                {mutating(pods), nil, nil, "does not exist; " + command},
		"a Service without anybody": {mutating(pods), []*corev1.Service{service}, nil, "has no ready endpoint; " + command},
		"somebody who is not ready": {mutating(pods), []*corev1.Service{service}, []*discoveryv1.EndpointSlice{slice(false)}, "has no ready endpoint; " + command},
		"somebody answers":          {mutating(pods), []*corev1.Service{service}, []*discoveryv1.EndpointSlice{slice(true)}, "answered"},
		"endpoints of a Service that is gone": {
			mutating(pods), nil, []*discoveryv1.EndpointSlice{slice(true)}, "does not exist; " + command},
		"named once": {mutating(pods, pods), nil, nil, "does not exist; " + command},
		"an absent policy is Fail": {mutating(admissionregistrationv1.MutatingWebhook{
			Name: "x.example.com", ClientConfig: to(path("/mutate-appmesh-k8s-aws-v1beta2-mesh"))}), nil, nil, "does not exist; " + command},
		"one that fails open harms nobody": {mutating(admissionregistrationv1.MutatingWebhook{
			Name: "mpod.appmesh.k8s.aws", FailurePolicy: &ignore, ClientConfig: to(nil)}), nil, nil, ""},
		"somebody else's": {mutating(admissionregistrationv1.MutatingWebhook{Name: "x.example.com", ClientConfig: to(path("/mutate-v1-pod"))}), nil, nil, ""},
		"ours, before its first pod is ready": {mutating(admissionregistrationv1.MutatingWebhook{
			Name: "vmesh.sluice.dev", ClientConfig: admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{
				Namespace: "elsewhere", Name: "sluice-webhook", Path: path("/validate-appmesh-k8s-aws-v1beta2-mesh")}}}), nil, nil, ""},
		"one at an address that is no Service": {mutating(admissionregistrationv1.MutatingWebhook{
			Name: "mpod.appmesh.k8s.aws", ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: path("https://10.0.0.1")}}), nil, nil, ""},
		"recognized by what it is asked about": {&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "conf"},
			Webhooks: []admissionregistrationv1.ValidatingWebhook{{Name: "renamed", ClientConfig: to(nil), Rules: []admissionregistrationv1.RuleWithOperations{
				{Rule: admissionregistrationv1.Rule{APIGroups: []string{"appmesh.k8s.aws"}}}}}}}, nil, nil,
			"does not exist; kubectl delete validatingwebhookconfiguration conf"},
	} {
		t.Run(name, func(t *testing.T) {
			trimmed, err := trimHooks(c.configuration)
			if err != nil {
				t.Fatal(err)
			}
			found := findLegacyHooks([]*hookConfiguration{trimmed.(*hookConfiguration)}, c.services, c.endpoints)
			var got []string
			for _, d := range found.dead {
				got = append(got, fmt.Sprintf("%s; %s", d.why, d.command()))
			}
			if found.answered {
				got = append(got, "answered")
			}
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}
