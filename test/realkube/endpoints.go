package realkube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Endpoint is a pod as an EndpointSlice names it. Its address is not the pod's: a loopback address is refused there.
func Endpoint(pod *corev1.Pod, ready bool) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Addresses:  []string{"192.0.2.1"},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
	}
}

// Serve gives a Service its endpoints, which nobody does where only an API server runs. It writes when they change.
func Serve(ctx context.Context, kube kubernetes.Interface, service *corev1.Service, endpoints []discoveryv1.Endpoint) error {
	slices := kube.DiscoveryV1().EndpointSlices(service.Namespace)
	old, err := slices.Get(ctx, service.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = slices.Create(ctx, &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: service.Name, Labels: map[string]string{discoveryv1.LabelServiceName: service.Name}},
			AddressType: discoveryv1.AddressTypeIPv4, Endpoints: endpoints,
		}, metav1.CreateOptions{})
		return err
	case err != nil:
		return err
	case fmt.Sprint(old.Endpoints) == fmt.Sprint(endpoints):
		return nil
	}
	old.Endpoints = endpoints
	_, err = slices.Update(ctx, old, metav1.UpdateOptions{})
	return err
}
