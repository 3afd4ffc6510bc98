package inject

import "fmt"

// Kind is what a pod is bound to.
type Kind string

// The two kinds that select pods.
const (
	KindVirtualNode    Kind = "VirtualNode"
	KindVirtualGateway Kind = "VirtualGateway"
)

// Target is the virtual node or gateway that a pod is bound to. The zero Target binds to nothing.
type Target struct {
	Kind Kind
	// Namespace and Name of the object.
	Namespace string
	Name      string
	// MeshName is spec.awsName of the mesh, followed by @ and its owner where it has a foreign one.
	// It is empty as long as the object is in no mesh (spec.meshRef is not set), and then no pod is bound to it.
	MeshName string
	// AWSName is spec.awsName of the object.
	AWSName string
	// Ports are the ports of the object's listeners, in the order of the spec.
	Ports []int32
	// Redirection is who redirects the pod, as Decide says.
	Redirection Redirection
}

// Resource is the name that App Mesh's tooling knows the target by, mesh/<mesh>/virtualNode/<node>.
func (t Target) Resource() string {
	segment := "virtualNode"
	if t.Kind == KindVirtualGateway {
		segment = "virtualGateway"
	}
	return fmt.Sprintf("mesh/%s/%s/%s", t.MeshName, segment, t.AWSName)
}

func (t Target) key() string { return t.Namespace + "/" + t.Name }
