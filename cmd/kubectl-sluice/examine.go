package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/diagnosis"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/kube/definitions"
)

// flaggerLease is what Flagger's replicas take turns by.
const flaggerLease = "flagger-leader-election"

// patient is a cluster that is being examined.
type patient struct {
	config *rest.Config
	kube   kubernetes.Interface
	seen   diagnosis.Cluster
}

func newPatient(config *rest.Config, system string) (*patient, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return &patient{config: config, kube: client, seen: diagnosis.Cluster{Now: time.Now(), Namespace: system, Unread: map[string]string{}}}, nil
}

// examine looks at everything that the checks are about, each part apart: what cannot be read spoils only its own checks.
func (s *shell) examine(ctx context.Context, p *patient, addresses []string) diagnosis.Cluster {
	for _, part := range []struct {
		checks []string
		read   func() error
	}{
		{[]string{"processes", "other-controllers"}, func() error { return p.readWorkloads(ctx) }},
		{[]string{"kinds"}, p.readKinds},
		{[]string{"webhooks", "dead-webhooks"}, func() error { return p.readConfigurations(ctx) }},
		{[]string{"webhooks"}, func() (err error) { p.seen.Trial, err = s.trial(ctx, p); return err }},
		{[]string{"certificates"}, func() error { return p.readCertificates(ctx) }},
		{[]string{"dead-webhooks"}, func() error { return p.readServices(ctx) }},
		{[]string{"other-controllers"}, func() error { return p.readLeases(ctx) }},
		{[]string{"namespaces", "naked-pods"}, func() error { return s.readMesh(ctx, p) }},
		{[]string{"proxies"}, func() (err error) {
			p.seen.Proxies, err = s.look(ctx, p.config, metav1.NamespaceAll, proxyStatusOptions{addresses: addresses}, nil)
			if errors.Is(err, errFailed) {
				return errors.New("not every replica of mesh answers")
			}
			return err
		}},
	} {
		if err := part.read(); err != nil {
			for _, check := range part.checks {
				if p.seen.Unread[check] == "" {
					p.seen.Unread[check] = err.Error()
				}
			}
		}
	}
	return p.seen
}

// each lists objects of a kind in pages.
func each[T any](ctx context.Context, list func(context.Context, metav1.ListOptions) (runtime.Object, error), o metav1.ListOptions, into *[]T) error {
	return pager.New(list).EachListItem(ctx, o, func(object runtime.Object) error {
		if item, ok := object.(any).(*T); ok {
			*into = append(*into, *item)
		}
		return nil
	})
}

func (p *patient) readWorkloads(ctx context.Context) error {
	err := each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return p.kube.AppsV1().Deployments(metav1.NamespaceAll).List(ctx, o)
	}, metav1.ListOptions{}, &p.seen.Deployments)
	if err != nil {
		return err
	}
	return each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return p.kube.CoreV1().Pods(p.seen.Namespace).List(ctx, o)
	}, metav1.ListOptions{}, &p.seen.Pods)
}

func (p *patient) readKinds() (err error) {
	p.seen.Lacks, err = definitions.Wrong(p.kube.Discovery().OpenAPIV3())
	p.seen.LacksRemedy = definitions.Remedy
	return err
}

func (p *patient) readConfigurations(ctx context.Context) error {
	mutating, err := p.kube.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	validating, err := p.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	p.seen.Mutating, p.seen.Validating = mutating.Items, validating.Items
	return nil
}

// readCertificates reads three Secrets by their names, and no others.
func (p *patient) readCertificates(ctx context.Context) error {
	for _, name := range []string{sluice.WebhookTLSSecret, sluice.MeshTLSSecret, sluice.CanaryTLSSecret} {
		secret, err := p.kube.CoreV1().Secrets(p.seen.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		p.seen.Certificates = append(p.seen.Certificates, *secret)
	}
	return nil
}

func (p *patient) readServices(ctx context.Context) error {
	err := each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return p.kube.CoreV1().Services(metav1.NamespaceAll).List(ctx, o)
	}, metav1.ListOptions{}, &p.seen.Services)
	if err != nil {
		return err
	}
	return each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return p.kube.DiscoveryV1().EndpointSlices(metav1.NamespaceAll).List(ctx, o)
	}, metav1.ListOptions{}, &p.seen.Endpoints)
}

func (p *patient) readLeases(ctx context.Context) error {
	return each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return p.kube.CoordinationV1().Leases(metav1.NamespaceAll).List(ctx, o)
	}, metav1.ListOptions{FieldSelector: "metadata.name=" + flaggerLease}, &p.seen.FlaggerLeases)
}

// readMesh reads the objects of the mesh, and finds the pods that miss their proxy as the webhook would.
func (s *shell) readMesh(ctx context.Context, p *patient) error {
	in, err := fromCluster(ctx, p.config)
	if err != nil {
		return err
	}
	p.seen.Snapshot = in.snapshot
	settings, err := s.injectConfig(ctx, false, nil)
	if err != nil {
		return err
	}
	decide := newInjector(in, s.system, settings)
	for _, n := range in.snapshot.Namespaces {
		if asked, _ := inject.Asked(n.Name, s.system, n.Labels); !asked {
			continue
		}
		var pods []corev1.Pod
		if err := each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return p.kube.CoreV1().Pods(n.Name).List(ctx, o)
		}, metav1.ListOptions{LabelSelector: "!" + sluice.LabelProxy}, &pods); err != nil {
			return err
		}
		for i := range pods {
			if missesProxy(decide, &pods[i]) {
				p.seen.Naked = append(p.seen.Naked, n.Name+"/"+pods[i].Name)
			}
		}
	}
	return nil
}

func missesProxy(decide injector, pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return false
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return false
	}
	u := &unstructured.Unstructured{Object: object}
	u.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	answer, err := decide.answer(u)
	return err == nil && answer.Missing
}
