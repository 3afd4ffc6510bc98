package canary

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// restricted is the user that the shells of the tests are: one with exactly the rules below, so that every test also
// shows that they are enough. The Lease is apart, in the namespace of the installation.
const restricted = "sluice-canary-test"

var rules = []rbacv1.PolicyRule{
	{APIGroups: []string{"flagger.app"}, Resources: []string{"canaries", "metrictemplates", "alertproviders"}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}},
	{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"get", "list", "watch", "patch"}},
	{APIGroups: []string{"flagger.app"}, Resources: []string{"canaries", "canaries/status", "metrictemplates/status", "alertproviders/status"}, Verbs: []string{"patch"}},
	{APIGroups: []string{"flagger.app"}, Resources: []string{"canaries/finalizers"}, Verbs: []string{"update"}},
	{APIGroups: []string{"apps"}, Resources: []string{"deployments", "daemonsets"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
	{APIGroups: []string{"apps"}, Resources: []string{"controllerrevisions"}, Verbs: []string{"get", "list", "watch", "create", "delete"}},
	{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
	{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
	{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	{
		APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "list", "watch"},
		ResourceNames: []string{flaggerLease},
	},
	{
		APIGroups: []string{"appmesh.k8s.aws"}, Resources: []string{"meshes", "virtualgateways", "gatewayroutes", "backendgroups"},
		Verbs: []string{"get", "list", "watch"},
	},
	{APIGroups: []string{""}, Resources: []string{"resourcequotas"}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{"policy"}, Resources: []string{"poddisruptionbudgets"}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{"autoscaling.k8s.io"}, Resources: []string{"verticalpodautoscalers"}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{"keda.sh"}, Resources: []string{"scaledobjects"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
	{APIGroups: []string{""}, Resources: []string{"configmaps", "secrets"}, Verbs: []string{"get", "list", "watch", "create", "patch"}},
	{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"get", "list", "watch"}},
	{
		APIGroups: []string{"appmesh.k8s.aws"}, Resources: []string{"virtualnodes", "virtualrouters", "virtualservices"},
		Verbs: []string{"get", "list", "watch", "create", "patch"},
	},
}

// grant makes the restricted user, once per API server.
func grant(t *testing.T, kube kubernetes.Interface) {
	t.Helper()
	ctx := context.Background()
	_, err := kube.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: restricted}, Rules: rules,
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	_, err = kube.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: restricted},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: restricted},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: restricted}},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// forbidRouters takes away, or gives back, the right to write VirtualRouters: the nearest thing to a crash between the
// status and the facts.
func (w *world) forbidRouters(forbid bool) {
	w.t.Helper()
	ctx := context.Background()
	role, err := w.kube.RbacV1().ClusterRoles().Get(ctx, restricted, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	role.Rules = slices.Clone(rules)
	if forbid {
		role.Rules[len(rules)-1].Verbs = []string{"get", "list", "watch"}
	}
	if _, err := w.kube.RbacV1().ClusterRoles().Update(ctx, role, metav1.UpdateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func TestNoStepWhileTheLastOneIsNotInForce(t *testing.T) {
	w := initialised(t, podinfoCanary)
	t.Cleanup(func() { w.forbidRouters(false) })
	w.start()
	w.until("it is initialised", w.phase(canaryv1beta1.CanaryPhaseInitialized))
	w.setImage("podinfo:3.1.1")
	w.until("the first step", func() bool {
		weights := podinfoWeights(w.get(virtualRouters, "podinfo"))
		return weights != nil && weights.Canary == 20
	})
	w.forbidRouters(true)
	w.until("the second step is recorded", func() bool { return w.canary().Status.CanaryWeight == 40 })
	w.until("the failure is told", func() bool { return w.told("forbidden") > 0 })
	for range 60 {
		w.clock.Step(time.Second)
		time.Sleep(10 * time.Millisecond)
	}
	if c := w.canary(); c.Status.CanaryWeight != 40 || c.Status.FailedChecks != 0 {
		t.Errorf("weight %v, %v failed checks, although 40 was never in force", c.Status.CanaryWeight, c.Status.FailedChecks)
	}
	w.forbidRouters(false)
	w.until("it is promoted", w.phase(canaryv1beta1.CanaryPhaseSucceeded))
	w.until("the traffic is back", func() bool {
		weights := w.weights.all()
		return weights[len(weights)-1] == 0
	})
	if got, want := w.weights.last(5), []int{0, 20, 40, 60, 0}; !cmp.Equal(got, want) {
		t.Errorf("weights %v, want %v: no step skipped, none repeated", got, want)
	}
}
