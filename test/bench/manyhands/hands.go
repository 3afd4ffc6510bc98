// Package manyhands does for many workloads at once what the controllers, the kubelets and the Envoys of a real cluster
// do, as far as the canary process can tell: Deployments get pods, pods run, Services get endpoints, and each pod answers
// on its stats port as a recorded Envoy did. It also counts who asks the API server for what.
package manyhands

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// Hands work until they are stopped.
type Hands struct {
	kube        kubernetes.Interface
	doors       *doors
	deployments appslisters.DeploymentLister
	services    corelisters.ServiceLister
	pods        corelisters.PodLister
	queue       workqueue.TypedRateLimitingInterface[string] // namespace/name of Deployments
	working     sync.WaitGroup
}

// workers is how many Deployments are looked at at the same time.
const workers = 8

// Start begins; recording is the file with the answer of a real Envoy's stats page.
func Start(ctx context.Context, kube kubernetes.Interface, recording string) (*Hands, error) {
	doors, err := newDoors(recording)
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(kube, 0)
	h := &Hands{
		kube: kube, doors: doors,
		deployments: factory.Apps().V1().Deployments().Lister(), services: factory.Core().V1().Services().Lister(), pods: factory.Core().V1().Pods().Lister(),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
	}
	enqueue := func(o any) {
		if key, err := cache.MetaNamespaceKeyFunc(o); err == nil {
			h.queue.Add(key)
		}
	}
	if _, err := factory.Apps().V1().Deployments().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue, UpdateFunc: func(_, o any) { enqueue(o) },
	}); err != nil {
		return nil, err
	}
	// A Service is looked at with the Deployment whose pods it selects.
	selects := func(o any) {
		if s := o.(*corev1.Service); s.Spec.Selector["app"] != "" {
			h.queue.Add(s.Namespace + "/" + s.Spec.Selector["app"])
		}
	}
	if _, err := factory.Core().V1().Services().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: selects, UpdateFunc: func(_, o any) { selects(o) },
	}); err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for range workers {
		h.working.Go(func() { h.work(ctx) })
	}
	return h, nil
}

// Stop ends everything.
func (h *Hands) Stop() {
	h.queue.ShutDown()
	h.working.Wait()
	h.doors.close()
}

// Read is how many times pods were read on their stats port.
func (h *Hands) Read() int64 { return h.doors.read.Load() }

func (h *Hands) work(ctx context.Context) {
	for {
		key, ended := h.queue.Get()
		if ended {
			return
		}
		if err := h.look(ctx, key); err != nil && ctx.Err() == nil {
			h.queue.AddRateLimited(key)
		} else {
			h.queue.Forget(key)
		}
		h.queue.Done(key)
	}
}

// look makes the pods of a Deployment, its status and the endpoints of its Services what they should be.
func (h *Hands) look(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	d, err := h.deployments.Deployments(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	running, err := h.runPods(ctx, d)
	if err != nil {
		return err
	}
	services, err := h.services.Services(namespace).List(labels.Everything())
	if err != nil {
		return err
	}
	for _, s := range services {
		if len(s.Spec.Selector) > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
			if err := h.runService(ctx, s, running); err != nil {
				return err
			}
		}
	}
	n := ptr.Deref(d.Spec.Replicas, 1)
	status := appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n,
	}
	if fmt.Sprint(d.Status) == fmt.Sprint(status) {
		return nil
	}
	d = d.DeepCopy()
	d.Status = status
	_, err = h.kube.AppsV1().Deployments(namespace).UpdateStatus(ctx, d, metav1.UpdateOptions{})
	return err
}

// runPods replaces all pods at once when the template changes: how a rolling update rolls costs nobody here anything.
func (h *Hands) runPods(ctx context.Context, d *appsv1.Deployment) (running []*corev1.Pod, err error) {
	text, err := json.Marshal(d.Spec.Template)
	if err != nil {
		return nil, err
	}
	sum := fnv.New32a()
	sum.Write(text)
	wanted := map[string]bool{}
	for i := range ptr.Deref(d.Spec.Replicas, 1) {
		wanted[fmt.Sprintf("%s-%x-%d", d.Name, sum.Sum32(), i)] = true
	}
	there, err := h.pods.Pods(d.Namespace).List(labels.SelectorFromSet(d.Spec.Selector.MatchLabels))
	if err != nil {
		return nil, err
	}
	for _, pod := range there {
		if wanted[pod.Name] && pod.Status.PodIP != "" {
			delete(wanted, pod.Name)
			running = append(running, pod)
		} else if !wanted[pod.Name] {
			if err := h.kube.CoreV1().Pods(d.Namespace).Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0)); err != nil && !apierrors.IsNotFound(err) {
				return nil, err
			}
		}
	}
	for name := range maps.Keys(wanted) {
		pod, err := h.runPod(ctx, d, name)
		if err != nil {
			return nil, err
		}
		running = append(running, pod)
	}
	return running, nil
}

func (h *Hands) runPod(ctx context.Context, d *appsv1.Deployment, name string) (*corev1.Pod, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: maps.Clone(d.Spec.Template.Labels)},
		Spec:       *d.Spec.Template.Spec.DeepCopy(),
	}
	pod.Labels[sluice.LabelProxy] = sluice.ProxyNode // what the webhook does
	pods := h.kube.CoreV1().Pods(d.Namespace)
	pod, err := pods.Create(ctx, pod, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		pod, err = pods.Get(ctx, name, metav1.GetOptions{})
	}
	if err != nil || pod.Status.PodIP != "" {
		return pod, err
	}
	address, err := h.doors.open()
	if err != nil {
		return nil, err
	}
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
	return pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
}

func (h *Hands) runService(ctx context.Context, s *corev1.Service, running []*corev1.Pod) error {
	var endpoints []discoveryv1.Endpoint
	for _, pod := range running {
		endpoints = append(endpoints, realkube.Endpoint(pod, true))
	}
	return realkube.Serve(ctx, h.kube, s, endpoints)
}
