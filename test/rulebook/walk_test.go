package rulebook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	kubecanary "github.com/sluice-mesh/sluice/pkg/kube/canary"
	"github.com/sluice-mesh/sluice/pkg/validate"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(realkube.Main(m))
}

// cluster is a real API server that the cases are stored in.
type cluster struct {
	t      *testing.T
	config *rest.Config
	client dynamic.Interface
	mapper meta.RESTMapper
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, config: realkube.Start(t)}
	var err error
	if c.client, err = dynamic.NewForConfig(c.config); err != nil {
		t.Fatal(err)
	}
	for _, crd := range []string{optionalCRD("keda.sh", "v1alpha1", "ScaledObject"), optionalCRD("autoscaling.k8s.io", "v1", "VerticalPodAutoscaler")} {
		realkube.Kubectl(t, c.config, crd, "apply", "-f", "-")
	}
	realkube.Kubectl(t, c.config, "", "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
	kube, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		t.Fatal(err)
	}
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kube.Discovery()))
	return c
}

// optionalCRD is the definition of a kind that a cluster may have, without its schema.
func optionalCRD(group, version, kind string) string {
	plural := strings.ToLower(kind) + "s"
	return fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.%[2]s, annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes/kubernetes/pull/63797"}}
spec:
  group: %[2]s
  scope: Namespaced
  names: {kind: %[4]s, plural: %[1]s, singular: %[5]s}
  versions:
  - {name: %[3]s, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`, plural, group, version, kind, strings.ToLower(kind))
}

// stored is a case in the cluster, in a namespace of its own.
type stored struct{ rule, name, namespace string }

// names that cases give to a namespace and to a mesh, which are those of their own here; the provider of a Canary is no mesh.
var (
	ofNamespace = regexp.MustCompile(`\b(demo|howto)\b`)
	ofMesh      = regexp.MustCompile(`(?m)^(\s*(?:- )?(?:name|mesh): )appmesh$`)
	ofOthers    = regexp.MustCompile(`(namespace: )(flagger|test)\b`)
)

// cured are the cases that a Canary cures, since it makes the objects that they lack.
var cured = map[string]bool{"SL104/bad-gateway-target": true, "SL104/bad-provider": true}

// store creates the objects of a case, in order: the last one may be a new form of an earlier one.
func (c *cluster) store(path string) (stored, error) {
	rule := filepath.Base(filepath.Dir(path))
	s := stored{rule: rule, name: strings.TrimSuffix(filepath.Base(path), ".yaml")}
	s.namespace = strings.ToLower(rule + "-" + s.name)
	data, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	text := ofNamespace.ReplaceAllString(string(data), s.namespace)
	text = ofOthers.ReplaceAllString(ofMesh.ReplaceAllString(text, "${1}"+s.namespace), "${1}"+s.namespace+"-${2}")
	var objects []*unstructured.Unstructured
	for _, doc := range strings.Split(text, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			return s, err
		}
		objects = append(objects, u)
	}
	switch kind := objects[len(objects)-1].GetKind(); {
	case kind == "Mesh" || kind == "VirtualGateway":
		return s, fmt.Errorf("a %s without members concerns no Canary", kind)
	case cured[rule+"/"+s.name]:
		return s, errors.New("the Canary makes what is missing")
	}
	objects = withCanary(withNamespaces(objects))
	s.namespace = objects[len(objects)-1].GetNamespace()
	var uids []string // before and now, in turn
	for _, u := range objects {
		now := rewritten(u, strings.NewReplacer(uids...))
		stored, err := c.write(now)
		if err != nil {
			return s, fmt.Errorf("%s %s: %w", u.GetKind(), u.GetName(), err)
		}
		if uid := string(u.GetUID()); uid != "" { // others name it by its UID, which it gets from the API server
			uids = append(uids, fmt.Sprintf("%q", uid), fmt.Sprintf("%q", stored.GetUID()))
		}
	}
	return s, nil
}

// rewritten is an object with the UIDs that others have got.
func rewritten(u *unstructured.Unstructured, uids *strings.Replacer) *unstructured.Unstructured {
	text, err := u.MarshalJSON()
	if err != nil {
		panic(err) // it was read from JSON
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON([]byte(uids.Replace(string(text)))); err != nil {
		panic(err)
	}
	return out
}

// withNamespaces puts the namespaces first, and adds those that the case leaves out.
func withNamespaces(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	var first, rest []*unstructured.Unstructured
	have := map[string]bool{"": true}
	for _, u := range objects {
		if u.GetKind() == "Namespace" {
			first, have[u.GetName()] = append(first, u), true
			continue
		}
		rest = append(rest, u)
	}
	for _, u := range rest {
		if namespace := u.GetNamespace(); !have[namespace] {
			first, have[namespace] = append(first, namespaceOf(namespace)), true
		}
	}
	return append(first, rest...)
}

// namespaceOf is the namespace of a case that has none: in the mesh of all such cases.
func namespaceOf(name string) *unstructured.Unstructured {
	return object("v1", "Namespace", "", name, map[string]any{"metadata": map[string]any{
		"name": name, "labels": map[string]any{"mesh": "shared", "appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"},
	}})
}

func object(apiVersion, kind, namespace, name string, content map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: content}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// withCanary gives a case without a Canary one that depends on what the case is about.
func withCanary(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	last := objects[len(objects)-1]
	spec := map[string]any{
		"targetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "released"},
		"service":   map[string]any{"port": int64(9898)},
		"analysis":  map[string]any{"interval": "30s", "threshold": int64(2), "stepWeight": int64(20), "maxWeight": int64(60)},
	}
	target, service, analysis := spec["targetRef"].(map[string]any), spec["service"].(map[string]any), spec["analysis"].(map[string]any)
	switch last.GetKind() {
	case "Deployment", "DaemonSet":
		target["kind"], target["name"] = last.GetKind(), last.GetName()
	case "HorizontalPodAutoscaler":
		target["name"], _, _ = unstructured.NestedString(last.Object, "spec", "scaleTargetRef", "name")
		spec["autoscalerRef"] = map[string]any{"apiVersion": last.GetAPIVersion(), "kind": last.GetKind(), "name": last.GetName()}
	case "VirtualNode", "VirtualRouter", "VirtualService":
		service["name"] = last.GetName()
		for _, u := range objects {
			if u.GetKind() == "Deployment" {
				target["name"] = u.GetName()
			}
		}
	case "GatewayRoute":
		for _, route := range []string{"httpRoute", "http2Route", "grpcRoute"} {
			if name, found, _ := unstructured.NestedString(last.Object, "spec", route, "action", "target", "virtualService", "virtualServiceRef", "name"); found {
				service["name"] = name
			}
		}
	case "MetricTemplate":
		analysis["metrics"] = []any{map[string]any{"name": "own", "interval": "1m", "templateRef": map[string]any{"name": last.GetName()}, "thresholdRange": map[string]any{"max": int64(1)}}}
	case "AlertProvider":
		analysis["alerts"] = []any{map[string]any{"name": "own", "severity": "error", "providerRef": map[string]any{"name": last.GetName()}}}
	}
	if slices.ContainsFunc(objects, func(u *unstructured.Unstructured) bool { return u.GetKind() == "Canary" }) {
		return objects
	}
	return append(objects, object("flagger.app/v1beta1", "Canary", last.GetNamespace(), "released", map[string]any{"spec": spec}))
}

// write creates an object or makes it what it is now, status and all.
func (c *cluster) write(u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	mapping, err := c.mapper.RESTMapping(u.GroupVersionKind().GroupKind(), u.GroupVersionKind().Version)
	if err != nil {
		return nil, err
	}
	var resource dynamic.ResourceInterface = c.client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		resource = c.client.Resource(mapping.Resource).Namespace(u.GetNamespace())
	}
	ctx := context.Background()
	u.SetUID("")
	stored, err := resource.Create(ctx, u, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		if stored, err = resource.Get(ctx, u.GetName(), metav1.GetOptions{}); err == nil {
			u.SetResourceVersion(stored.GetResourceVersion())
			stored, err = resource.Update(ctx, u, metav1.UpdateOptions{})
		}
	}
	if err != nil {
		return nil, err
	}
	status := u.Object["status"]
	if u.GetKind() == "Canary" && status == nil { // one that serves users, and whose target has something new
		status = map[string]any{"phase": "Initialized", "lastAppliedSpec": promoted, "lastPromotedSpec": promoted}
	}
	if status == nil {
		return stored, nil
	}
	body, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return nil, err
	}
	return resource.Patch(ctx, u.GetName(), types.MergePatchType, body, metav1.PatchOptions{}, "status")
}

// promoted is a revision that no target has any more.
const promoted = "00000000000000aa"

// nobody is behind the webhooks of the cases.
type nobody struct{}

func (nobody) Call(context.Context, *canaryv1beta1.Canary, string, canaryv1beta1.CanaryWebhook) error {
	return errors.New("nobody is there")
}

func (nobody) Tell(context.Context, *canaryv1beta1.Canary, canaryv1beta1.CanaryWebhook, string, string, time.Time) error {
	return errors.New("nobody is there")
}

// run runs the release process, by the rights that it is shipped with.
func (c *cluster) run() *prometheus.Registry {
	c.t.Helper()
	realkube.Kubectl(c.t, c.config, "{apiVersion: v1, kind: Namespace, metadata: {name: sluice-system}}", "apply", "-f", "-")
	realkube.Kubectl(c.t, c.config, "", "apply", "-f", filepath.Join("..", "..", "config", "canary", "rbac.yaml"))
	config := rest.CopyConfig(c.config)
	config.Impersonate.UserName = "system:serviceaccount:sluice-system:sluice-canary"
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: clientgoscheme.Scheme, Cache: kubecanary.CacheOptions(), Client: kubecanary.ClientOptions(),
		Metrics: server.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	registry := prometheus.NewRegistry()
	if err := kubecanary.Add(ctx, mgr, kubecanary.Options{
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Hooks: nobody{}, TrackConfigs: true, Registry: registry, Name: "walk",
	}); err != nil {
		c.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	return registry
}

// said is what the cluster tells its users of a namespace's Canaries.
type said struct {
	// consistent are the messages of the conditions, blocked is what keeps rollouts from starting.
	consistent, blocked string
}

var errorsFirst = regexp.MustCompile(`(?m)^\d+ errors? \(([^)]*)\)`)

// onlyWarns tells whether the condition has a rule, and not among the errors.
func (s said) onlyWarns(rule string) bool {
	var errors string
	for _, match := range errorsFirst.FindAllStringSubmatch(s.consistent, -1) {
		errors += match[1]
	}
	return strings.Contains(s.consistent, rule) && !strings.Contains(errors, rule)
}

// listen reads all of it at once.
func (c *cluster) listen() map[string]said {
	c.t.Helper()
	out := map[string]said{}
	canaries, err := c.client.Resource(schema.GroupVersionResource{Group: "flagger.app", Version: "v1beta1", Resource: "canaries"}).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	events, err := c.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "events"}).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	told := map[string]string{}
	for _, e := range events.Items {
		message, _, _ := unstructured.NestedString(e.Object, "message")
		told[e.GetNamespace()] += message + "\n"
	}
	for _, u := range canaries.Items {
		s := out[u.GetNamespace()]
		conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		for _, item := range conditions {
			if condition := item.(map[string]any); condition["type"] == "Consistent" {
				s.consistent += condition["message"].(string) + "\n"
			}
		}
		// It counts only if both say so: the status tells who looks, the event who follows.
		why, _, _ := unstructured.NestedString(u.Object, "status", "rollout", "why")
		if why != "" && strings.Contains(told[u.GetNamespace()], why) {
			s.blocked += why + "\n"
		}
		out[u.GetNamespace()] = s
	}
	return out
}

// TestRulesSpeakInTheCluster: every rule that speaks in the background stands in the condition of the Canary that its
// cases are about, and what a rule refuses at the start of a rollout keeps one from starting.
func TestRulesSpeakInTheCluster(t *testing.T) {
	c := newCluster(t)
	if _, err := c.write(object("appmesh.k8s.aws/v1beta2", "Mesh", "", "shared", map[string]any{"spec": map[string]any{
		"namespaceSelector": map[string]any{"matchLabels": map[string]any{"mesh": "shared"}},
	}})); err != nil {
		t.Fatal(err)
	}
	waiting := map[string]stored{} // cases whose rule is still to be heard, by place and namespace
	heard := map[string]int{}
	for _, rule := range validate.Rules() {
		if rule.Speaks&(validate.Audit|validate.RolloutStart) == 0 {
			continue
		}
		files, _ := filepath.Glob(filepath.Join("..", "..", "pkg", "validate", "testdata", rule.ID, "bad*.yaml"))
		for _, file := range files {
			s, err := c.store(file)
			if err != nil {
				t.Logf("%s/%s is left out: %v", rule.ID, s.name, err)
				continue
			}
			waiting["audit "+s.namespace] = s
			if rule.Speaks&validate.RolloutStart != 0 && rule.Worst == validate.Deny {
				waiting["start "+s.namespace] = s
			}
		}
	}
	registry := c.run()
	for deadline := time.Now().Add(90 * time.Second); len(waiting) > 0 && time.Now().Before(deadline); time.Sleep(time.Second) {
		now := c.listen()
		for key, s := range waiting {
			text := now[s.namespace].consistent
			if strings.HasPrefix(key, "start ") {
				text = now[s.namespace].blocked
			}
			if strings.Contains(text, s.rule) {
				heard[strings.Fields(key)[0]+" "+s.rule]++
				delete(waiting, key)
			} else if now[s.namespace].onlyWarns(s.rule) {
				delete(waiting, key) // a case that is no error at the start either
			}
		}
	}
	now := c.listen()
	for _, key := range slices.Sorted(maps.Keys(waiting)) {
		s := waiting[key]
		t.Errorf("%s: %s/%s is not heard; the condition says\n%s and the start\n%s", key, s.rule, s.name, now[s.namespace].consistent, now[s.namespace].blocked)
	}
	counted := map[string]bool{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if family.GetName() == "sluice_canary_findings" && label.GetName() == "rule" {
					counted[label.GetValue()] = true
				}
			}
		}
	}
	for _, rule := range validate.Rules() {
		if rule.Speaks&validate.Audit != 0 && (heard["audit "+rule.ID] == 0 || !counted[rule.ID]) {
			t.Errorf("%s: heard in %d conditions, counted: %v", rule.ID, heard["audit "+rule.ID], counted[rule.ID])
		}
		if rule.Speaks&validate.RolloutStart != 0 && rule.Worst == validate.Deny && heard["start "+rule.ID] == 0 {
			t.Errorf("%s never kept a rollout from starting", rule.ID)
		}
	}
}
