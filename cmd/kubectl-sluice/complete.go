package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// completeTimeout is how long somebody who pressed the tab key waits at most.
const completeTimeout = 3 * time.Second

// completable are the types before the slash, and where their names are.
var completable = []struct {
	before   string
	resource schema.GroupVersionResource
	selector string
}{
	{"virtualnode/", appmeshv1beta2.GroupVersion.WithResource("virtualnodes"), ""},
	{"virtualgateway/", appmeshv1beta2.GroupVersion.WithResource("virtualgateways"), ""},
	{"pod/", podResource, sluice.LabelProxy},
}

var (
	podResource       = corev1.SchemeGroupVersion.WithResource("pods")
	namespaceResource = corev1.SchemeGroupVersion.WithResource("namespaces")
)

// completeTarget suggests a TYPE/ first, and then names from the cluster.
func (s *shell) completeTarget(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	for _, c := range completable {
		if strings.HasPrefix(typed, c.before) {
			names := s.names(cmd.Context(), c.resource, c.selector, c.before)
			return starting(names, typed), cobra.ShellCompDirectiveNoFileComp
		}
		if strings.HasPrefix(c.before, typed) {
			out = append(out, c.before)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completePods suggests the pods with a proxy of ours that are not on the line yet.
func (s *shell) completePods(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	pods := s.names(cmd.Context(), podResource, sluice.LabelProxy, "")
	pods = slices.DeleteFunc(pods, func(name string) bool { return slices.Contains(args, name) })
	return starting(pods, typed), cobra.ShellCompDirectiveNoFileComp
}

// completeCanary suggests the Canaries of the namespace.
func (s *shell) completeCanary(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return starting(s.names(cmd.Context(), canaryResource, "", ""), typed), cobra.ShellCompDirectiveNoFileComp
}

// completeNamespace suggests namespaces.
func (s *shell) completeNamespace(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return starting(s.namesIn(cmd.Context(), metav1.NamespaceAll, namespaceResource, "", ""), typed), cobra.ShellCompDirectiveNoFileComp
}

func starting(names []cobra.Completion, typed string) []cobra.Completion {
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, typed) })
}

// names lists objects of the namespace.
func (s *shell) names(ctx context.Context, resource schema.GroupVersionResource, selector, before string) []cobra.Completion {
	return s.namesIn(ctx, s.namespace(), resource, selector, before)
}

// namesIn lists objects. Whatever goes wrong means no suggestion: nobody reads an error while typing.
func (s *shell) namesIn(ctx context.Context, namespace string, resource schema.GroupVersionResource, selector, before string) []cobra.Completion {
	config, err := s.restConfig()
	if err != nil {
		return nil
	}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	list, err := client.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil
	}
	var out []cobra.Completion
	for _, o := range list.Items {
		out = append(out, before+o.Name)
	}
	return out
}
