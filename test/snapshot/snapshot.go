// Package snapshot reads Kubernetes objects from YAML into the snapshot that pkg/mesh builds from.
package snapshot

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Parse reads objects, a document each. A field that no type has fails, so that a typing error cannot pass as a test.
func Parse(in []byte) (mesh.Snapshot, error) {
	var s mesh.Snapshot
	err := Documents(in, func(doc []byte) error {
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(doc, &meta); err != nil {
			return err
		}
		if meta.Kind == "" {
			return nil // a comment
		}
		return Add(&s, meta.Kind, doc)
	})
	return s, err
}

// Documents calls fn with each document of a file; what fn finds wrong is told with the document.
func Documents(in []byte, fn func(doc []byte) error) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(in)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := fn(doc); err != nil {
			return fmt.Errorf("%w in\n%s", err, doc)
		}
	}
}

// Add reads one object of the kind.
func Add(s *mesh.Snapshot, kind string, doc []byte) error {
	switch kind {
	case "Cluster": // not of Kubernetes: what a snapshot says of the cluster as a whole
		var cluster struct {
			metav1.TypeMeta `json:",inline"`
			IPv6            bool `json:"ipv6"`
		}
		err := yaml.UnmarshalStrict(doc, &cluster)
		s.IPv6 = cluster.IPv6
		return err
	case mesh.KindMesh:
		return decodeInto(&s.Meshes, doc)
	case mesh.KindVirtualNode:
		return decodeInto(&s.VirtualNodes, doc)
	case mesh.KindVirtualService:
		return decodeInto(&s.VirtualServices, doc)
	case mesh.KindVirtualRouter:
		return decodeInto(&s.VirtualRouters, doc)
	case mesh.KindVirtualGateway:
		return decodeInto(&s.VirtualGateways, doc)
	case mesh.KindGatewayRoute:
		return decodeInto(&s.GatewayRoutes, doc)
	case mesh.KindBackendGroup:
		return decodeInto(&s.BackendGroups, doc)
	case "Namespace":
		return decodeInto(&s.Namespaces, doc)
	case "Service":
		return decodeInto(&s.Services, doc)
	case "EndpointSlice":
		return decodeInto(&s.EndpointSlices, doc)
	case "Pod":
		var pods []*corev1.Pod
		err := decodeInto(&pods, doc)
		for _, p := range pods {
			s.Pods = append(s.Pods, mesh.PodOf(p))
		}
		return err
	default:
		return fmt.Errorf("kind %q is not part of a snapshot", kind)
	}
}

func decodeInto[T appmeshv1beta2.Mesh | appmeshv1beta2.VirtualNode | appmeshv1beta2.VirtualService | appmeshv1beta2.VirtualRouter |
	appmeshv1beta2.VirtualGateway | appmeshv1beta2.GatewayRoute | appmeshv1beta2.BackendGroup |
	corev1.Namespace | corev1.Service | corev1.Pod | discoveryv1.EndpointSlice](list *[]*T, doc []byte) error {
	o := new(T)
	if !bytes.HasPrefix(doc, []byte("{")) {
		var err error
		if doc, err = yaml.YAMLToJSONStrict(doc); err != nil {
			return err
		}
	}
	unknown, err := strictjson.UnmarshalStrict(doc, o)
	*list = append(*list, o)
	return errors.Join(append(unknown, err)...)
}
