package mesh

import (
	"context"
	"fmt"
	"reflect"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// strandedWatch watches what App Mesh left in the cluster, and with it all pods without our proxy. Only the Lease holder
// does, since it alone acts on it.
type strandedWatch struct {
	kube   kubernetes.Interface
	notify func()
	hooks  []cache.SharedIndexInformer
	leases cache.SharedIndexInformer
	// pods are those without our proxy, by namespace of the mesh.
	pods map[string]*podWatch
}

type podWatch struct {
	informer cache.SharedIndexInformer
	stop     context.CancelFunc
}

// fillTime is how long to wait for the first list of something. A store that is not filled looks as if nothing were left,
// and a condition that says so would have to be taken back.
const fillTime = 5 * time.Second

// watchStranded begins to watch until ctx ends; notify is told of every change that may matter.
func watchStranded(ctx context.Context, kube kubernetes.Interface, notify func()) (*strandedWatch, error) {
	w := &strandedWatch{kube: kube, notify: notify, pods: map[string]*podWatch{}}
	all := informers.NewSharedInformerFactory(kube, resync).Admissionregistration().V1()
	w.hooks = []cache.SharedIndexInformer{all.MutatingWebhookConfigurations().Informer(), all.ValidatingWebhookConfigurations().Informer()}
	for _, informer := range w.hooks {
		if err := informer.SetTransform(trimHooks); err != nil {
			return nil, fmt.Errorf("watch webhook configurations: %w", err)
		}
		if _, err := informer.AddEventHandler(notifier(notify)); err != nil {
			return nil, fmt.Errorf("watch webhook configurations: %w", err)
		}
		go informer.RunWithContext(ctx)
	}
	// A Lease changes every two seconds while somebody holds it, so nobody is woken for it.
	w.leases = informers.NewSharedInformerFactoryWithOptions(kube, resync, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, rivalLease).String()
	})).Coordination().V1().Leases().Informer()
	go w.leases.RunWithContext(ctx)
	fill(ctx, append(w.hooks, w.leases))
	return w, nil
}

// fill waits until the stores are filled, for a while.
func fill(ctx context.Context, informers []cache.SharedIndexInformer) {
	ctx, cancel := context.WithTimeout(ctx, fillTime)
	defer cancel()
	for _, informer := range informers {
		cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
	}
}

// follow watches the pods of these namespaces and of no others. Metadata alone does not show containers and readiness
// gates, so whole pods are sent; to keep that in proportion, the API server leaves out those with our proxy and those
// that have ended, and of the rest a few words are kept. Once every pod was restarted there is next to nothing to send.
func (w *strandedWatch) follow(ctx context.Context, namespaces []string) error {
	wanted := map[string]bool{}
	var started []cache.SharedIndexInformer
	for _, namespace := range namespaces {
		wanted[namespace] = true
		if w.pods[namespace] != nil {
			continue
		}
		watch, err := w.watchPods(ctx, namespace)
		if err != nil {
			return err
		}
		w.pods[namespace] = watch
		started = append(started, watch.informer)
	}
	fill(ctx, started)
	for namespace, watch := range w.pods {
		if !wanted[namespace] {
			watch.stop()
			delete(w.pods, namespace)
		}
	}
	return nil
}

func (w *strandedWatch) watchPods(ctx context.Context, namespace string) (*podWatch, error) {
	informer := informers.NewSharedInformerFactoryWithOptions(w.kube, resync, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.LabelSelector = "!" + sluice.LabelProxy
			o.FieldSelector = fields.AndSelectors(
				fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
				fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
			).String()
		})).Core().V1().Pods().Informer()
	if err := informer.SetTransform(trimForeignPod); err != nil {
		return nil, fmt.Errorf("watch pods of %s: %w", namespace, err)
	}
	if _, err := informer.AddEventHandler(foreignPodHandler(w.notify)); err != nil {
		return nil, fmt.Errorf("watch pods of %s: %w", namespace, err)
	}
	ctx, stop := context.WithCancel(ctx)
	go informer.RunWithContext(ctx)
	return &podWatch{informer, stop}, nil
}

// foreignPodHandler calls f for pods that matter, before or after the change.
func foreignPodHandler(f func()) cache.ResourceEventHandler {
	one := func(obj any) {
		if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = tombstone.Obj
		}
		if pod, ok := obj.(*foreignPod); ok && pod.relevant() {
			f()
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: one,
		UpdateFunc: func(old, new any) {
			before, okBefore := old.(*foreignPod)
			after, okAfter := new.(*foreignPod)
			if okBefore && okAfter && (before.relevant() || after.relevant()) && !sameForeignPod(*before, *after) {
				f()
			}
		},
		DeleteFunc: one,
	}
}

// sameForeignPod ignores what probes and readiness change about a pod.
func sameForeignPod(a, b foreignPod) bool {
	a.ResourceVersion = b.ResourceVersion
	return reflect.DeepEqual(a, b)
}

// stock gathers the stores.
func (w *strandedWatch) stock(now time.Time) stock {
	out := stock{now: now, leases: listed[*coordinationv1.Lease](w.leases)}
	for _, informer := range w.hooks {
		out.hooks = append(out.hooks, listed[*hookConfiguration](informer)...)
	}
	for _, watch := range w.pods {
		out.pods = append(out.pods, listed[*foreignPod](watch.informer)...)
	}
	return out
}
