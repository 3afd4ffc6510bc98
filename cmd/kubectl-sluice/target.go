package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	kubemesh "github.com/sluice-mesh/sluice/pkg/kube/mesh"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// target says whose configuration is meant: a proxy's, or that of the proxy in a pod.
type target struct {
	proxy mesh.ProxyID
	// pod is a name in proxy.Namespace; it is given if proxy.Kind is not.
	pod string
}

// proxyKinds maps what people write before the slash; podType is one more.
var proxyKinds = map[string]mesh.ProxyKind{
	"virtualnode": mesh.ProxyVirtualNode, "virtualnodes": mesh.ProxyVirtualNode,
	"virtualgateway": mesh.ProxyVirtualGateway, "virtualgateways": mesh.ProxyVirtualGateway,
}

var podTypes = []string{"pod", "pods", "po"}

// targetArgument reads TYPE/NAME. Types may be written with their group, as `kubectl get -o name` prints them.
func targetArgument(argument, namespace string) (target, error) {
	kind, name, ok := strings.Cut(argument, "/")
	kind, _, _ = strings.Cut(strings.ToLower(kind), ".")
	if !ok || name == "" || strings.Contains(name, "/") {
		return target{}, fmt.Errorf("%q is not of the form TYPE/NAME; write for example virtualnode/web", argument)
	}
	if slices.Contains(podTypes, kind) {
		return target{proxy: mesh.ProxyID{Namespace: namespace}, pod: name}, nil
	}
	proxyKind, known := proxyKinds[kind]
	if !known {
		return target{}, fmt.Errorf("%q has no proxy configuration; write virtualnode/NAME, virtualgateway/NAME or pod/NAME", argument)
	}
	return target{proxy: mesh.ProxyID{Kind: proxyKind, Namespace: namespace, Name: name}}, nil
}

// targetFlag reads NAMESPACE/NAME, or a NAME in the given namespace.
func targetFlag(kind mesh.ProxyKind, value, namespace string) (target, error) {
	before, after, qualified := strings.Cut(value, "/")
	if !qualified {
		before, after = namespace, value
	}
	if before == "" || after == "" || strings.Contains(after, "/") {
		return target{}, fmt.Errorf("%q is not of the form NAMESPACE/NAME", value)
	}
	return target{proxy: mesh.ProxyID{Kind: kind, Namespace: before, Name: after}}, nil
}

// bind finds out what the target's pod was bound to.
func (t target) bind(ctx context.Context, config *rest.Config) (mesh.ProxyID, error) {
	if t.pod == "" {
		return t.proxy, nil
	}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return mesh.ProxyID{}, fmt.Errorf("connect to the cluster: %w", err)
	}
	pod, err := client.Resource(podResource).Namespace(t.proxy.Namespace).Get(ctx, t.pod, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return mesh.ProxyID{}, fmt.Errorf("namespace %s has no pod %s; say where it is with -n", t.proxy.Namespace, t.pod)
	}
	if err != nil {
		return mesh.ProxyID{}, advised(fmt.Errorf("get pod %s/%s: %w", t.proxy.Namespace, t.pod, err), config)
	}
	return kubemesh.BoundTo(pod)
}
