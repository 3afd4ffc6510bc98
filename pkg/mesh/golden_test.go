package mesh

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/test/golden"
)

// outcome is what a golden file holds. Its model is the input of the same case in pkg/xds.
type outcome struct {
	Model      *Model           `json:"model"`
	Problems   []printedProblem `json:"problems,omitempty"`
	Conditions []Condition      `json:"conditions"`
}

type printedProblem struct {
	Object    ObjectRef `json:"object"`
	Reason    string    `json:"reason"`
	Error     string    `json:"error"`
	Transient bool      `json:"transient,omitempty"`
	Blocking  bool      `json:"blocking,omitempty"`
}

func TestBuild(t *testing.T) {
	golden.Run(t, func(t *testing.T, in []byte) []byte {
		s, err := parseSnapshot(in)
		if err != nil {
			t.Fatal(err)
		}
		m, problems := Build(s)
		out := outcome{Model: m, Conditions: Conditions(s, problems)}
		for _, p := range problems {
			out.Problems = append(out.Problems, printedProblem{
				Object: p.Object, Reason: p.Reason, Error: p.Err.Error(), Transient: p.Transient, Blocking: p.Blocking,
			})
		}
		text, err := yaml.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
}

// parseSnapshot reads Kubernetes objects. A field that no type has fails, so that a typing error cannot pass as a test.
func parseSnapshot(in []byte) (Snapshot, error) {
	var s Snapshot
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(in)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(doc, &meta); err != nil {
			return s, err
		}
		if err := appendObject(&s, meta.Kind, doc); err != nil {
			return s, fmt.Errorf("%w in\n%s", err, doc)
		}
	}
}

func appendObject(s *Snapshot, kind string, doc []byte) error {
	switch kind {
	case "":
		return nil // a comment
	case "Cluster": // not of Kubernetes: what a snapshot says of the cluster as a whole
		var cluster struct {
			metav1.TypeMeta `json:",inline"`
			IPv6            bool `json:"ipv6"`
		}
		err := yaml.UnmarshalStrict(doc, &cluster)
		s.IPv6 = cluster.IPv6
		return err
	case KindMesh:
		return decodeInto(&s.Meshes, doc)
	case KindVirtualNode:
		return decodeInto(&s.VirtualNodes, doc)
	case KindVirtualService:
		return decodeInto(&s.VirtualServices, doc)
	case KindVirtualRouter:
		return decodeInto(&s.VirtualRouters, doc)
	case KindVirtualGateway:
		return decodeInto(&s.VirtualGateways, doc)
	case KindGatewayRoute:
		return decodeInto(&s.GatewayRoutes, doc)
	case KindBackendGroup:
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
			s.Pods = append(s.Pods, PodOf(p))
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
	if err := yaml.UnmarshalStrict(doc, o); err != nil {
		return err
	}
	*list = append(*list, o)
	return nil
}
