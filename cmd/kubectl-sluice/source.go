package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/manifest"
	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	kubemesh "github.com/sluice-mesh/sluice/pkg/kube/mesh"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// input is what a command was given to look at.
type input struct {
	snapshot mesh.Snapshot
	// lost are objects that the snapshot lacks because they could not be read, remarks what was assumed about others.
	lost    []string
	remarks []mesh.Problem
	// undecodable are those of the lost objects whose names are known.
	undecodable []mesh.ObjectRef
}

// fromFiles reads manifests. namespace is that of objects without one.
func (s *shell) fromFiles(paths []string, namespace string) (*input, error) {
	objects, problems, err := manifest.Reader{
		Stdin: s.In, Wanted: kubemesh.InSnapshot, Namespace: namespace, ClusterScoped: clusterScoped,
	}.Read(paths)
	if err != nil {
		return nil, err
	}
	in := &input{}
	for _, p := range problems {
		in.lost = append(in.lost, p.String())
	}
	var broken []kubemesh.Undecodable
	in.snapshot, broken = kubemesh.SnapshotOf(objects)
	in.lose(broken)
	in.snapshot, in.remarks = mesh.Complete(in.snapshot)
	return in, nil
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
		in.lost = append(in.lost, spell(b.Object)+": "+b.Err.Error())
		in.undecodable = append(in.undecodable, b.Object)
	}
}

// has says whether there is the virtual node or gateway of a proxy, be it readable or not.
func (in *input) has(id mesh.ProxyID) bool {
	ref := mesh.ObjectRef{Kind: string(id.Kind), Namespace: id.Namespace, Name: id.Name}
	if slices.Contains(in.undecodable, ref) {
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
