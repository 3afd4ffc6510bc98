package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/manifest"
	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	kubemesh "github.com/sluice-mesh/sluice/pkg/kube/mesh"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// input is what a command was given to look at.
type input struct {
	snapshot mesh.Snapshot
	// lost is what the snapshot lacks because it could not be read, remarks what was assumed about the rest.
	lost    []loss
	remarks []mesh.Problem
	// assumed are the namespaces that no file describes; nil if the cluster was asked.
	assumed func(namespace string) bool
}

// loss is something that could not be read; the object is empty if not even that is known.
type loss struct {
	object mesh.ObjectRef
	text   string
}

// fromFiles reads manifests. namespace is that of objects without one.
func (s *shell) fromFiles(paths []string, namespace string) (*input, error) {
	objects, problems, err := s.read(paths, namespace, kubemesh.InSnapshot)
	if err != nil {
		return nil, err
	}
	return snapshotInput(objects, problems), nil
}

// read reads the objects of the wanted kinds.
func (s *shell) read(paths []string, namespace string, wanted func(schema.GroupKind) bool) ([]*unstructured.Unstructured, []manifest.Problem, error) {
	reader := manifest.Reader{Stdin: s.In, Wanted: wanted, Namespace: namespace, ClusterScoped: clusterScoped}
	documents, err := reader.Open(paths)
	if err != nil {
		return nil, nil, err
	}
	objects, problems := reader.Objects(documents)
	return objects, problems, nil
}

// snapshotInput makes of what was read what a cluster would have.
func snapshotInput(objects []*unstructured.Unstructured, problems []manifest.Problem) *input {
	in := &input{}
	for _, p := range problems {
		in.lost = append(in.lost, loss{text: p.String()})
	}
	var broken []kubemesh.Undecodable
	in.snapshot, broken = kubemesh.SnapshotOf(objects)
	in.lose(broken)
	described := map[string]bool{}
	for _, n := range in.snapshot.Namespaces {
		described[n.Name] = true
	}
	in.assumed = func(namespace string) bool { return !described[namespace] }
	in.snapshot, in.remarks = mesh.Complete(in.snapshot)
	return in
}

// fromCluster reads the cluster of the kubeconfig.
func fromCluster(ctx context.Context, config *rest.Config) (*input, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	objects, err := kubemesh.List(ctx, client, kubemesh.InSnapshot)
	if err != nil {
		return nil, advised(err, config)
	}
	in := &input{}
	var broken []kubemesh.Undecodable
	in.snapshot, broken = kubemesh.SnapshotOf(objects)
	in.lose(broken)
	return in, nil
}

// meshHasIPv6 asks what mesh's processes ask themselves: whether their own pods have IPv6 addresses.
func meshHasIPv6(ctx context.Context, config *rest.Config, system string) (bool, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return false, fmt.Errorf("connect to the cluster: %w", err)
	}
	pods, err := meshPods(ctx, config, client, system)
	if err != nil {
		return false, err
	}
	for _, pod := range pods {
		for _, address := range pod.Status.PodIPs {
			if xds.HasIPv6(address.IP) {
				return true, nil
			}
		}
	}
	return false, nil
}

// advised adds to an error of the API server, or of the way there, what to do about it.
func advised(err error, config *rest.Config) error {
	var network *url.Error
	switch {
	case errors.As(err, &network):
		return fmt.Errorf("the cluster at %s does not answer (%w); choose another with --context or --kubeconfig", config.Host, network.Err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("the cluster does not know App Mesh's kinds (%w); install Sluice, or choose another cluster with --context", err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w; ask for the right to do it, or use --as", err)
	}
	return err
}

func (in *input) lose(broken []kubemesh.Undecodable) {
	slices.SortFunc(broken, func(a, b kubemesh.Undecodable) int { return a.Object.Compare(b.Object) })
	for _, b := range broken {
		in.lost = append(in.lost, loss{object: b.Object, text: spell(b.Object) + ": " + b.Err.Error()})
	}
}

// has says whether there is the virtual node or gateway of a proxy, be it readable or not.
func (in *input) has(id mesh.ProxyID) bool {
	ref := mesh.ObjectRef{Kind: string(id.Kind), Namespace: id.Namespace, Name: id.Name}
	if slices.ContainsFunc(in.lost, func(l loss) bool { return l.object == ref }) {
		return true
	}
	for _, v := range in.snapshot.VirtualNodes {
		if ref.Kind == mesh.KindVirtualNode && v.Namespace == ref.Namespace && v.Name == ref.Name {
			return true
		}
	}
	for _, v := range in.snapshot.VirtualGateways {
		if ref.Kind == mesh.KindVirtualGateway && v.Namespace == ref.Namespace && v.Name == ref.Name {
			return true
		}
	}
	return false
}

// spell writes an object as kubectl takes it, with its namespace.
func spell(ref mesh.ObjectRef) string {
	if ref.Namespace == "" {
		return ref.Kind + "/" + ref.Name
	}
	return ref.String()
}

func clusterScoped(kind schema.GroupKind) bool {
	return kind == appmeshv1beta2.Kind(appmeshv1beta2.KindMesh) || kind == schema.GroupKind{Kind: "Namespace"}
}

// restConfig is the cluster of the kubeconfig and the flags.
func (s *shell) restConfig() (*rest.Config, error) {
	config, err := s.cluster.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w; name one with --kubeconfig or --context, or give files with -f", err)
	}
	// A command makes a few dozen requests and is waited for; the server's own fairness limits it.
	config.QPS, config.Burst = 100, 200
	return config, nil
}

// namespace is that of -n, else that of the kubeconfig's context, else default.
func (s *shell) namespace() string {
	namespace, _, err := s.cluster.ToRawKubeConfigLoader().Namespace()
	if err != nil || namespace == "" {
		return "default"
	}
	return namespace
}

// fileNamespace is that of objects in files without one: that of -n, else default.
func (s *shell) fileNamespace() string {
	return cmp.Or(*s.cluster.Namespace, "default")
}
