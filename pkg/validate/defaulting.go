package validate

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json" // reads names as Kubernetes does: case matters

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// Op is one operation of a JSON patch. Defaulting only ever adds: an add replaces what an explicit null or an empty
// string left there.
type Op struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// New is an object of App Mesh's group that somebody wants to create.
type New struct {
	// Kind of the object.
	Kind string
	// Namespace of the request. An object's own field may be empty at this moment.
	Namespace string
	// Raw is the object as it came, JSON.
	Raw []byte
}

// Defaults is what admission adds to a new object: its name in the mesh and what it belongs to, nothing else.
type Defaults struct {
	// Ops in the order in which they apply.
	Ops []Op
	// Warnings for the author.
	Warnings []string
}

// MalformedError means that the object is not what its kind should be: a bad request, not a refused one.
type MalformedError struct{ Err error }

func (e *MalformedError) Error() string { return "cannot read the object: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *MalformedError) Unwrap() error { return e.Err }

// sparse is the little of an object that defaulting reads. Whatever else the object holds stays as it is, because it
// is never written back.
type sparse struct {
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec *struct {
		AWSName           *string                                 `json:"awsName"`
		MeshRef           *appmeshv1beta2.MeshReference           `json:"meshRef"`
		VirtualGatewayRef *appmeshv1beta2.VirtualGatewayReference `json:"virtualGatewayRef"`
	} `json:"spec"`
}

// additions are the fields to set, in the order in which they are written.
type additions struct {
	AWSName           string                                  `json:"awsName,omitempty"`
	MeshRef           *appmeshv1beta2.MeshReference           `json:"meshRef,omitempty"`
	VirtualGatewayRef *appmeshv1beta2.VirtualGatewayReference `json:"virtualGatewayRef,omitempty"`
}

// awsNames derives the default name in the mesh; a BackendGroup has none.
var awsNames = map[string]func(name, namespace string) string{
	appmeshv1beta2.KindMesh:           func(name, _ string) string { return name },
	appmeshv1beta2.KindVirtualNode:    underscored,
	appmeshv1beta2.KindVirtualRouter:  underscored,
	appmeshv1beta2.KindVirtualGateway: underscored,
	appmeshv1beta2.KindGatewayRoute:   underscored,
	appmeshv1beta2.KindVirtualService: dotted,
}

// Default says what to add to a new object. The error is the sentence with which App Mesh refused it, or a
// MalformedError.
func Default(object New, world World) (Defaults, error) {
	var in sparse
	if err := json.Unmarshal(object.Raw, &in); err != nil {
		return Defaults{}, &MalformedError{err}
	}
	hadSpec := in.Spec != nil
	if !hadSpec {
		if err := json.Unmarshal([]byte("{}"), &in.Spec); err != nil {
			return Defaults{}, &MalformedError{err}
		}
	}
	var (
		add additions
		out Defaults
	)
	if object.Kind != appmeshv1beta2.KindMesh {
		mesh, err := defaultMesh(object, in, world, &add, &out)
		if err != nil {
			return out, err
		}
		if object.Kind == appmeshv1beta2.KindGatewayRoute {
			if err := defaultGateway(mesh, in, world, &add, &out); err != nil {
				return out, err
			}
		}
	}
	defaultName(object, in, &add, &out)
	out.Ops = add.ops(hadSpec)
	return out, nil
}

// defaultName fills in awsName, but not while the name of the object is still to be generated: a half name would be
// the same for all of them.
func defaultName(object New, in sparse, add *additions, out *Defaults) {
	derive := awsNames[object.Kind]
	if derive == nil || in.Spec.AWSName != nil && *in.Spec.AWSName != "" {
		return
	}
	if in.Metadata.Name == "" {
		out.Warnings = append(out.Warnings, "spec.awsName is not set because the name is generated; it counts as "+derive("<name>", object.Namespace))
		return
	}
	add.AWSName = derive(in.Metadata.Name, object.Namespace)
}

// defaultMesh fills in meshRef (AM015, AM016).
func defaultMesh(object New, in sparse, world World, add *additions, out *Defaults) (*appmeshv1beta2.Mesh, error) {
	mesh, warnings, err := DesignateMesh(object.Namespace, world)
	out.Warnings = append(out.Warnings, warnings...)
	given := in.Spec.MeshRef
	if given != nil && (err != nil || given.Name != mesh.Name) {
		return nil, readOnly(object.Kind, "spec.meshRef")
	}
	if err != nil {
		return nil, err
	}
	if given == nil {
		add.MeshRef = &appmeshv1beta2.MeshReference{Name: mesh.Name, UID: mesh.UID}
	} else if given.UID != mesh.UID {
		// A backup restored into another cluster: the name is what counts, and the author's value is kept.
		out.Warnings = append(out.Warnings, fmt.Sprintf("spec.meshRef.uid: %s is the uid of another Mesh %q than the present one (%s); remove spec.meshRef from the manifest",
			given.UID, mesh.Name, mesh.UID))
	}
	return mesh, nil
}

// defaultGateway fills in virtualGatewayRef (AM015, AM017).
func defaultGateway(mesh *appmeshv1beta2.Mesh, in sparse, world World, add *additions, out *Defaults) error {
	gateway, warnings, err := DesignateVirtualGateway(metav1.ObjectMeta{Name: in.Metadata.Name, Labels: in.Metadata.Labels}, world)
	out.Warnings = append(out.Warnings, warnings...)
	given := in.Spec.VirtualGatewayRef
	if given != nil && (err != nil || !refersTo(given, gateway)) {
		return readOnly(appmeshv1beta2.KindGatewayRoute, "spec.virtualGatewayRef")
	}
	if err != nil {
		return err
	}
	if gateway.Spec.MeshRef == nil || gateway.Spec.MeshRef.Name != mesh.Name {
		return errors.New("virtualGateway referenced does not belong to the mesh referenced in GatewayRoute Create")
	}
	if given == nil {
		namespace := gateway.Namespace
		add.VirtualGatewayRef = &appmeshv1beta2.VirtualGatewayReference{Namespace: &namespace, Name: gateway.Name, UID: gateway.UID}
	} else if given.UID != gateway.UID {
		out.Warnings = append(out.Warnings, fmt.Sprintf("spec.virtualGatewayRef.uid: %s is the uid of another VirtualGateway %q than the present one (%s); remove spec.virtualGatewayRef from the manifest",
			given.UID, gateway.Name, gateway.UID))
	}
	return nil
}

func refersTo(ref *appmeshv1beta2.VirtualGatewayReference, gateway *appmeshv1beta2.VirtualGateway) bool {
	return ref.Name == gateway.Name && (ref.Namespace == nil || *ref.Namespace == gateway.Namespace)
}

// readOnly is App Mesh's sentence for a membership that is not the designated one. The designated one is accepted:
// otherwise a backup could not be restored.
func readOnly(kind, path string) error {
	return fmt.Errorf("%s create may not specify read-only field: %s", kind, path)
}

// ops spells the additions as a patch: one operation per field, or one for the whole spec where there is none yet.
func (a additions) ops(hadSpec bool) []Op {
	if a == (additions{}) {
		return nil
	}
	if !hadSpec {
		return []Op{{"add", "/spec", a}}
	}
	var ops []Op
	if a.AWSName != "" {
		ops = append(ops, Op{"add", "/spec/awsName", a.AWSName})
	}
	if a.MeshRef != nil {
		ops = append(ops, Op{"add", "/spec/meshRef", a.MeshRef})
	}
	if a.VirtualGatewayRef != nil {
		ops = append(ops, Op{"add", "/spec/virtualGatewayRef", a.VirtualGatewayRef})
	}
	return ops
}
