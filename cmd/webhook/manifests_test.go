package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/validate"
	"github.com/sluice-mesh/sluice/test/realkube"
)

const manifests = "../../config/webhook"

// manifest reads one object of config/webhook: the first of its kind in the file.
func manifest[T any](t *testing.T, file, kind string) *T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(manifests, file))
	if err != nil {
		t.Fatal(err)
	}
	for doc := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var head metav1.TypeMeta
		if err := yaml.Unmarshal(doc, &head); err != nil {
			t.Fatal(err)
		}
		if head.Kind != kind {
			continue
		}
		object := new(T)
		if err := yaml.UnmarshalStrict(doc, object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		return object
	}
	t.Fatalf("%s has no %s", file, kind)
	return nil
}

// hook is what mutating and validating webhooks have in common.
type hook struct {
	name          string
	client        admissionregistrationv1.WebhookClientConfig
	sideEffects   *admissionregistrationv1.SideEffectClass
	failurePolicy *admissionregistrationv1.FailurePolicyType
	timeout       *int32
	rules         []admissionregistrationv1.RuleWithOperations
}

func hooks(t *testing.T) []hook {
	t.Helper()
	var list []hook
	for _, w := range manifest[admissionregistrationv1.MutatingWebhookConfiguration](t, "mutating.yaml", "MutatingWebhookConfiguration").Webhooks {
		list = append(list, hook{w.Name, w.ClientConfig, w.SideEffects, w.FailurePolicy, w.TimeoutSeconds, w.Rules})
	}
	for _, w := range manifest[admissionregistrationv1.ValidatingWebhookConfiguration](t, "validating.yaml", "ValidatingWebhookConfiguration").Webhooks {
		list = append(list, hook{w.Name, w.ClientConfig, w.SideEffects, w.FailurePolicy, w.TimeoutSeconds, w.Rules})
	}
	return list
}

func podHook(t *testing.T) admissionregistrationv1.MutatingWebhook {
	t.Helper()
	for _, w := range manifest[admissionregistrationv1.MutatingWebhookConfiguration](t, "mutating.yaml", "MutatingWebhookConfiguration").Webhooks {
		if w.Name == "mpod.sluice.dev" {
			return w
		}
	}
	t.Fatal("no webhook for pods")
	return admissionregistrationv1.MutatingWebhook{}
}

// TestEveryWebhookIsBounded: whoever waits for us waits for seconds; a dry run may ask; no failure is left to a default;
// and the bundle is the process's alone, so that applying the file again neither removes it nor shows a difference.
func TestEveryWebhookIsBounded(t *testing.T) {
	for _, h := range hooks(t) {
		if h.timeout == nil || *h.timeout < 1 || *h.timeout > 5 {
			t.Errorf("%s: want timeoutSeconds from 1 to 5", h.name)
		}
		if h.sideEffects == nil || *h.sideEffects != admissionregistrationv1.SideEffectClassNone {
			t.Errorf("%s: want sideEffects None", h.name)
		}
		if h.failurePolicy == nil {
			t.Errorf("%s: want a failurePolicy", h.name)
		}
		if len(h.client.CABundle) > 0 {
			t.Errorf("%s: the file has a caBundle", h.name)
		}
		for _, r := range h.rules {
			for _, resource := range r.Resources {
				if strings.ContainsAny(resource, "/*") {
					t.Errorf("%s: asks about %s: scale, status, resize and ephemeral containers are none of our business", h.name, resource)
				}
			}
		}
	}
}

// TestEveryKindOfTheRulebookIsAskedAbout: what has rules is sent when it is written, what a Canary may need when it is
// deleted; and what is not of our groups only from labelled namespaces, with nobody waiting for us in an outage.
func TestEveryKindOfTheRulebookIsAskedAbout(t *testing.T) {
	const ours, meshs = "flagger.app", "appmesh.k8s.aws"
	sent := map[string][]admissionregistrationv1.OperationType{}
	for _, w := range manifest[admissionregistrationv1.ValidatingWebhookConfiguration](t, "validating.yaml", "ValidatingWebhookConfiguration").Webhooks {
		for _, rule := range w.Rules {
			for _, resource := range rule.Resources {
				group := rule.APIGroups[0]
				sent[group+"/"+resource] = append(sent[group+"/"+resource], rule.Operations...)
				if group == ours || group == meshs {
					continue
				}
				if *w.FailurePolicy != admissionregistrationv1.Ignore || len(w.NamespaceSelector.MatchExpressions) < 2 {
					t.Errorf("%s sends %s of everybody, or holds them up", w.Name, resource)
				}
			}
		}
	}
	deletable := map[string]bool{}
	for _, rule := range validate.Rules() {
		if rule.ID == "SL015" || rule.ID == "SL049" || rule.ID == "AM018" {
			for _, kind := range rule.Kinds {
				deletable[kind] = true
			}
		}
	}
	for _, kind := range validate.Kinds() {
		operations := sent[kind.Group+"/"+kind.Resource]
		written := slices.Contains(operations, admissionregistrationv1.Create) || slices.Contains(operations, admissionregistrationv1.Update)
		if judged := kind.Check != nil; judged != written {
			t.Errorf("%s has rules: %t; sent at %v", kind.Name, judged, operations)
		}
		if deletable[kind.Name] != slices.Contains(operations, admissionregistrationv1.Delete) {
			t.Errorf("%s has rules of deletion: %t; sent at %v", kind.Name, deletable[kind.Name], operations)
		}
	}
}

// TestPodsAreAskedAboutOnce: creation only, closed for those who opted in, and again when another injector came after.
func TestPodsAreAskedAboutOnce(t *testing.T) {
	w := podHook(t)
	if len(w.Rules) != 1 || !slices.Equal(w.Rules[0].Resources, []string{"pods"}) ||
		!slices.Equal(w.Rules[0].Operations, []admissionregistrationv1.OperationType{admissionregistrationv1.Create}) {
		t.Errorf("rules: %+v", w.Rules)
	}
	if *w.FailurePolicy != admissionregistrationv1.Fail {
		t.Errorf("failurePolicy %s: an opted-in pod could miss its proxy in silence", *w.FailurePolicy)
	}
	if w.ReinvocationPolicy == nil || *w.ReinvocationPolicy != admissionregistrationv1.IfNeededReinvocationPolicy {
		t.Error("want reinvocationPolicy IfNeeded")
	}
	if !slices.ContainsFunc(w.MatchConditions, func(c admissionregistrationv1.MatchCondition) bool {
		return strings.Contains(c.Expression, corev1.MirrorPodAnnotationKey)
	}) {
		t.Error("mirrors of static pods are sent: the kubelet could not show them while we are down")
	}
}

// TestSelectorIsWhatTheCodeSays: which namespaces the API server asks about, and what check-inject and the process itself
// believe about that, is the same.
func TestSelectorIsWhatTheCodeSays(t *testing.T) {
	selector, err := metav1.LabelSelectorAsSelector(podHook(t).NamespaceSelector)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, name := range []string{"demo", "kube-system", sluice.SystemNamespace, "cert-manager", "default"} {
		for _, mode := range []string{"", "enabled", "disabled", "Enabled", "true"} {
			set := map[string]string{corev1.LabelMetadataName: name}
			if mode != "" {
				set["appmesh.k8s.aws/sidecarInjectorWebhook"] = mode
			}
			want, _ := inject.Asked(name, sluice.SystemNamespace, set)
			if got := selector.Matches(labels.Set(set)); got != want {
				t.Errorf("namespace %s, label %q: the selector says %v, the code %v", name, mode, got, want)
			}
			if want {
				asked++
			}
		}
	}
	if asked == 0 {
		t.Error("no namespace is asked about")
	}
}

// TestWebhookStaysUp: two replicas on two machines where there are two, none of which is evicted for somebody else's pod
// or taken away before its successor is ready; and they are found where the Service sends.
func TestWebhookStaysUp(t *testing.T) {
	deployment := manifest[appsv1.Deployment](t, "deployment.yaml", "Deployment")
	template := deployment.Spec.Template
	if deployment.Spec.Replicas == nil || *deployment.Spec.Replicas < 2 {
		t.Error("want two replicas")
	}
	if template.Spec.PriorityClassName != "system-cluster-critical" {
		t.Errorf("priorityClassName %q", template.Spec.PriorityClassName)
	}
	if update := deployment.Spec.Strategy.RollingUpdate; update == nil || update.MaxUnavailable.IntValue() != 0 {
		t.Error("an update takes a replica away before its successor is ready")
	}
	spread := template.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	if len(spread) != 1 || spread[0].PodAffinityTerm.TopologyKey != corev1.LabelHostname || !selects(t, spread[0].PodAffinityTerm.LabelSelector, template.Labels) {
		t.Errorf("the replicas are not spread: %+v", spread)
	}
	budget := manifest[policyv1.PodDisruptionBudget](t, "poddisruptionbudget.yaml", "PodDisruptionBudget")
	if budget.Spec.MaxUnavailable.IntValue() != 1 || !selects(t, budget.Spec.Selector, template.Labels) {
		t.Errorf("the disruption budget: %+v", budget.Spec)
	}
	service := manifest[corev1.Service](t, "service.yaml", "Service")
	if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(template.Labels)) {
		t.Error("the Service does not select the pods")
	}
	port := service.Spec.Ports[0]
	if !slices.ContainsFunc(template.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
		return p.Name == port.TargetPort.StrVal && p.ContainerPort == 9443
	}) || port.Port != 443 {
		t.Errorf("the port is %+v: firewalls in front of private control planes are opened for 9443", port)
	}
	for _, h := range hooks(t) {
		if s := h.client.Service; s == nil || s.Name != service.Name || s.Namespace != service.Namespace || s.Port != nil {
			t.Errorf("%s does not go to the Service: %+v", h.name, s)
		}
	}
}

func selects(t *testing.T, selector *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(labels.Set(set))
}

// TestTheProcessMayOnlyRead: what it may not write, no dry run can change. It keeps its certificates and their bundle.
func TestTheProcessMayOnlyRead(t *testing.T) {
	reads := []string{"get", "list", "watch"}
	for _, rule := range manifest[rbacv1.ClusterRole](t, "rbac.yaml", "ClusterRole").Rules {
		writes := slices.ContainsFunc(rule.Verbs, func(v string) bool { return !slices.Contains(reads, v) })
		if writes && (!slices.Equal(rule.APIGroups, []string{"admissionregistration.k8s.io"}) || !slices.Equal(rule.ResourceNames, []string{sluice.WebhookService})) {
			t.Errorf("it may %v %v", rule.Verbs, rule.Resources)
		}
	}
	for _, rule := range manifest[rbacv1.Role](t, "rbac.yaml", "Role").Rules {
		if !slices.Equal(rule.Resources, []string{"secrets"}) {
			t.Errorf("it may %v %v", rule.Verbs, rule.Resources)
		}
	}
}

// TestConfigurationsGoWithTheInstallation: both are in what kubectl delete -k is given, and nothing holds them.
func TestConfigurationsGoWithTheInstallation(t *testing.T) {
	var list struct{ Resources []string }
	for _, folder := range []string{"webhook", "default"} {
		text, err := os.ReadFile(filepath.Join(manifests, "..", folder, "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var one struct{ Resources []string }
		if err := yaml.Unmarshal(text, &one); err != nil {
			t.Fatal(err)
		}
		list.Resources = append(list.Resources, one.Resources...)
	}
	for _, want := range []string{"../webhook", "mutating.yaml", "validating.yaml"} {
		if !slices.Contains(list.Resources, want) {
			t.Errorf("the installation leaves %s behind", want)
		}
	}
	mutating := manifest[admissionregistrationv1.MutatingWebhookConfiguration](t, "mutating.yaml", "MutatingWebhookConfiguration")
	validating := manifest[admissionregistrationv1.ValidatingWebhookConfiguration](t, "validating.yaml", "ValidatingWebhookConfiguration")
	for _, object := range []metav1.ObjectMeta{mutating.ObjectMeta, validating.ObjectMeta} {
		if object.Name != sluice.WebhookService || len(object.Finalizers) > 0 {
			t.Errorf("name %s, finalizers %v", object.Name, object.Finalizers)
		}
	}
}

// TestFailOpenIsOneChange: the component changes the failure policy of pods' admission and nothing else.
func TestFailOpenIsOneChange(t *testing.T) {
	config, err := filepath.Abs(filepath.Join(manifests, ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	up, err := filepath.Rel(dir, config)
	if err != nil {
		t.Fatal(err)
	}
	overlay := fmt.Sprintf("resources: [%s/default]\ncomponents: [%[1]s/components/fail-open]\n", up)
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(overlay), 0o600); err != nil {
		t.Fatal(err)
	}
	before, after := realkube.Kustomize(t, filepath.Join(config, "default")), realkube.Kustomize(t, dir)
	open := strings.Index(after, "failurePolicy: Ignore\n  matchConditions:\n  - expression: '!has(object.metadata.annotations)")
	if open < 0 || after[:open]+"failurePolicy: Fail"+after[open+len("failurePolicy: Ignore"):] != before {
		t.Error("more or less than the failure policy of mpod.sluice.dev differs")
	}
}
