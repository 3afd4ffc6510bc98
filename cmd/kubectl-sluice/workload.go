package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// workloadKind is a kind that pods come from.
type workloadKind struct {
	schema.GroupVersionResource
	kind string
	// names are what people write before the slash.
	names []string
	// template is where the pods' template is; a Pod is its own.
	template []string
}

var workloadKinds = []workloadKind{
	{core("pods"), "Pod", podTypes, nil},
	{apps("deployments"), "Deployment", []string{"deployment", "deployments", "deploy"}, []string{"spec", "template"}},
	{apps("statefulsets"), "StatefulSet", []string{"statefulset", "statefulsets", "sts"}, []string{"spec", "template"}},
	{apps("daemonsets"), "DaemonSet", []string{"daemonset", "daemonsets", "ds"}, []string{"spec", "template"}},
	{apps("replicasets"), "ReplicaSet", []string{"replicaset", "replicasets", "rs"}, []string{"spec", "template"}},
	{batch("jobs"), "Job", []string{"job", "jobs"}, []string{"spec", "template"}},
	{batch("cronjobs"), "CronJob", []string{"cronjob", "cronjobs", "cj"}, []string{"spec", "jobTemplate", "spec", "template"}},
}

func core(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: resource}
}

func apps(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: resource}
}

func batch(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: resource}
}

// workloadOf finds the kind of an object.
func workloadOf(kind schema.GroupKind) (workloadKind, bool) {
	i := slices.IndexFunc(workloadKinds, func(k workloadKind) bool { return k.kind == kind.Kind && k.Group == kind.Group })
	if i < 0 {
		return workloadKind{}, false
	}
	return workloadKinds[i], true
}

// workloadArgument reads TYPE/NAME.
func workloadArgument(argument string) (workloadKind, string, error) {
	before, name, ok := strings.Cut(argument, "/")
	before, _, _ = strings.Cut(strings.ToLower(before), ".")
	i := slices.IndexFunc(workloadKinds, func(k workloadKind) bool { return slices.Contains(k.names, before) })
	if !ok || name == "" || i < 0 {
		return workloadKind{}, "", fmt.Errorf("%q is not of the form TYPE/NAME; write for example deployment/web or pod/web-1", argument)
	}
	return workloadKinds[i], name, nil
}

// pod is the pod that the workload would create, as JSON.
func (k workloadKind) pod(object map[string]any) ([]byte, error) {
	template := object
	if len(k.template) > 0 {
		found, ok, err := unstructured.NestedMap(object, k.template...)
		if err != nil || !ok {
			return nil, fmt.Errorf("%s: there is no pod template", strings.Join(k.template, "."))
		}
		template = found
	}
	pod := map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]}
	if pod["metadata"] == nil {
		pod["metadata"] = map[string]any{} // a Job's template needs none
	}
	return json.Marshal(pod)
}

// noWorkload says that the cluster does not have it.
type noWorkload struct{ kind, namespace, name string }

func (n *noWorkload) Error() string {
	return fmt.Sprintf("namespace %s has no %s %s; say where it is with -n", n.namespace, n.kind, n.name)
}

// getWorkload reads a workload from the cluster. The error is a *noWorkload if it has none of that name.
func getWorkload(ctx context.Context, config *rest.Config, namespace, argument string) (*unstructured.Unstructured, error) {
	kind, name, err := workloadArgument(argument)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	object, err := client.Resource(kind.GroupVersionResource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, &noWorkload{kind: kind.kind, namespace: namespace, name: name}
	}
	if err != nil {
		return nil, advised(fmt.Errorf("get %s %s/%s: %w", kind.kind, namespace, name, err), config)
	}
	return object, nil
}
