package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/envoy"
	kubemesh "github.com/sluice-mesh/sluice/pkg/kube/mesh"
)

// proxyStatusOptions are the flags of proxy-status.
type proxyStatusOptions struct {
	all, check, watch bool
	addresses         []string
	output            string
}

// watchPause is the time between two looks with --watch.
const watchPause = 2 * time.Second

func proxyStatusCommand(s *shell) *cobra.Command {
	var o proxyStatusOptions
	cmd := &cobra.Command{
		Use:     "proxy-status [POD...]",
		Aliases: []string{"ps"},
		Short:   "Show which proxies have the configuration that they should have",
		Long: `Show every pod with an Envoy, and how that stands to the control plane:

  synced         it has acknowledged all it was sent
  stale          it has not acknowledged something yet, or was sent nothing
  rejected       it refuses a part of what it was sent, and keeps what it had; MESSAGE is Envoy's sentence
  not-connected  Sluice injected it, and no replica of mesh has a stream from it
  foreign        it is not ours: App Mesh's image, or one that somebody put into the pod template. Nobody configures it
                 any more. Only pods of namespaces that belong to a mesh are looked at

SINCE is when it was sent what it has acknowledged or has not, or the age of the pod. -o wide adds, for each type, the
version that it has, and behind an arrow the one that it was sent, if that is another.

Every replica of mesh is asked for the proxies connected to it, through a port-forward to its pod. You need the rights to
list pods and meshes, and to create pods/portforward in the namespace of Sluice.

Exit codes:
  0  the table is complete
  1  with --check: a proxy is not synced
  2  no table, or not a whole one: no cluster, no replica, no such pod`,
		Example: `  # the proxies of a namespace, of all namespaces, of two pods
  kubectl sluice proxy-status -n demo
  kubectl sluice proxy-status -A -o wide
  kubectl sluice proxy-status -n demo web-7d4b9c5f6-x2x8k web-7d4b9c5f6-qqz5v

  # whom do I have to restart to leave App Mesh?
  kubectl sluice proxy-status -A -o json | jq -r '.[] | select(.state == "foreign") | .namespace + "/" + .pod'

  # in a script: go on only if everybody has the new routes
  kubectl sluice proxy-status -n demo --check -o name || exit 1`,
		ValidArgsFunction: s.completePods,
		RunE:              func(cmd *cobra.Command, args []string) error { return s.proxyStatus(cmd.Context(), o, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all-namespaces", "A", false, "the proxies of all namespaces")
	f.BoolVar(&o.check, "check", false, "exit with 1 if a proxy is not synced")
	f.BoolVarP(&o.watch, "watch", "w", false, "go on, and print the proxies whose state changes")
	f.StringSliceVar(&o.addresses, "address", nil, "HOST:PORT where a replica of mesh serves "+debugProxies+", instead of a port-forward to its pod; may be repeated")
	choice(cmd, &o.output, "output", "o", strings.Join(tableFormats, ", "), tableFormats...)
	return cmd
}

func (s *shell) proxyStatus(ctx context.Context, o proxyStatusOptions, names []string) error {
	if o.output != "" && !slices.Contains(tableFormats, o.output) {
		return unknownOutput(o.output, tableFormats...)
	}
	if o.watch && (o.check || o.output != "" && o.output != "wide") {
		return errors.New("--watch prints a table, and for ever; use it without --check and with no output but -o wide")
	}
	if o.all && len(names) > 0 {
		return errors.New("pods are named in one namespace; use -n instead of -A")
	}
	config, err := s.restConfig()
	if err != nil {
		return err
	}
	namespace := s.namespace()
	if o.all {
		namespace = metav1.NamespaceAll
	}
	look := func() ([]envoy.ProxyState, error) { return s.look(ctx, config, namespace, o, names) }
	if o.watch {
		return s.watchProxies(ctx, look, table{wide: o.output == "wide", namespaces: o.all})
	}
	states, incomplete := look()
	if incomplete != nil && !errors.Is(incomplete, errFailed) {
		return incomplete
	}
	if err := s.printProxies(states, o); err != nil {
		return err
	}
	if incomplete != nil {
		return incomplete
	}
	if o.check && slices.ContainsFunc(states, func(p envoy.ProxyState) bool { return p.State != envoy.Synced }) {
		return errFound
	}
	return nil
}

// look finds the state of the proxies now. With errFailed it tells what it could not find out, and gives the rest.
func (s *shell) look(ctx context.Context, config *rest.Config, namespace string, o proxyStatusOptions, names []string) ([]envoy.ProxyState, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	all := addressed(o.addresses)
	if len(all) == 0 {
		if all, err = replicas(ctx, config, client, s.system); err != nil {
			return nil, err
		}
	}
	pods, err := sightings(ctx, config, client, namespace)
	if err != nil {
		return nil, err
	}
	if pods, err = named(pods, names, namespace); err != nil {
		return nil, err
	}
	answers, silent := connected(ctx, all)
	if len(silent) == len(all) {
		return nil, errors.Join(silent...)
	}
	states := envoy.States(pods, answers)
	if len(silent) == 0 {
		return states, nil
	}
	for _, err := range silent {
		s.line(red, "error", err.Error()+"; its proxies count as not connected")
	}
	return states, errFailed
}

// sightings lists the pods of a namespace, or of all, that have an Envoy: ours anywhere, others' in namespaces of a mesh.
func sightings(ctx context.Context, config *rest.Config, client kubernetes.Interface, namespace string) ([]envoy.Sighting, error) {
	meshed, err := meshNamespaces(ctx, config)
	if err != nil {
		return nil, err
	}
	var out []envoy.Sighting
	pages := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return client.CoreV1().Pods(namespace).List(ctx, o)
	})
	err = pages.EachListItem(ctx, metav1.ListOptions{}, func(o runtime.Object) error {
		pod, ok := o.(*corev1.Pod)
		if !ok {
			return nil
		}
		found, ok := kubemesh.EnvoyOf(pod)
		if !ok || found.Foreign && !slices.Contains(meshed, pod.Namespace) {
			return nil
		}
		out = append(out, envoy.Sighting{
			Pod:   envoy.PodIdentity{Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)},
			Proxy: found.Proxy, Foreign: found.Foreign, Note: found.Note, Since: pod.CreationTimestamp.Time,
		})
		return nil
	})
	if err != nil {
		return nil, advised(fmt.Errorf("list pods: %w", err), config)
	}
	return out, nil
}

// meshNamespaces lists the namespaces whose pods are to have a proxy.
func meshNamespaces(ctx context.Context, config *rest.Config) ([]string, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	objects, err := kubemesh.List(ctx, client, func(kind schema.GroupKind) bool {
		switch kind {
		case appmeshv1beta2.Kind(appmeshv1beta2.KindMesh), appmeshv1beta2.Kind(appmeshv1beta2.KindVirtualNode),
			appmeshv1beta2.Kind(appmeshv1beta2.KindVirtualGateway), corev1.SchemeGroupVersion.WithKind("Namespace").GroupKind():
			return true
		}
		return false
	})
	if err != nil {
		return nil, advised(err, config)
	}
	// What does not decode is another command's business.
	snapshot, _ := kubemesh.SnapshotOf(objects)
	return kubemesh.ProxyNamespaces(snapshot), nil
}

// named keeps the pods with the given names, all if there are none.
func named(pods []envoy.Sighting, names []string, namespace string) ([]envoy.Sighting, error) {
	if len(names) == 0 {
		return pods, nil
	}
	var out []envoy.Sighting
	for _, name := range names {
		for _, kind := range podTypes {
			name = strings.TrimPrefix(name, kind+"/")
		}
		i := slices.IndexFunc(pods, func(p envoy.Sighting) bool { return p.Pod.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("namespace %s has no pod %s with an Envoy; say where it is with -n", namespace, name)
		}
		out = append(out, pods[i])
	}
	return out, nil
}
