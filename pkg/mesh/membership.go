package mesh

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

var specPath = field.NewPath("spec")

// memberOf gives the Mesh of an object: the one that admission wrote into meshRef, else the only one whose
// namespaceSelector takes the object's namespace. The latter serves objects from before we were installed.
// The uid in meshRef is not compared: with it, a Mesh restored from a backup would have no members.
func (b *builder) memberOf(object ObjectRef, ref *appmeshv1beta2.MeshReference) *appmeshv1beta2.Mesh {
	path := specPath.Child("meshRef")
	if ref != nil && ref.Name != "" {
		m := b.meshByName[ref.Name]
		if m == nil {
			b.awaits(object, ReasonMeshNotFound, missing(path.Child("name"), ObjectRef{Kind: KindMesh, Name: ref.Name}, "create it, or create this object anew"))
		}
		return m
	}
	m, why := b.meshOfNamespace(object.Namespace)
	if m == nil {
		b.awaits(object, ReasonMeshNotFound, field.Required(path, why))
	}
	return m
}

// meshOfNamespace gives the only Mesh whose namespaceSelector takes the namespace, or says why there is none.
func (b *builder) meshOfNamespace(namespace string) (*appmeshv1beta2.Mesh, string) {
	var found []*appmeshv1beta2.Mesh
	var names []string
	for _, m := range b.meshes {
		if selects(m.Spec.NamespaceSelector, b.namespaces[namespace]) {
			found = append(found, m)
			names = append(names, m.Name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], ""
	case 0:
		return nil, fmt.Sprintf("the namespaceSelector of no Mesh takes namespace %q; label the namespace as one of them asks", namespace)
	default:
		return nil, fmt.Sprintf("the namespaceSelectors of several Meshes (%s) take namespace %q; narrow all but one", strings.Join(names, ", "), namespace)
	}
}

// checkMeshes reports what a Mesh says that we cannot do.
func (b *builder) checkMeshes() {
	for _, m := range b.meshes {
		ref := refOf(KindMesh, m)
		b.checkSelector(ref, specPath.Child("namespaceSelector"), m.Spec.NamespaceSelector)
		b.notHonouredMesh(ref, m)
		b.checkName(ref, meshName(m))
	}
}

// checkSelector reports a selector that cannot be read. It selects nothing, and stops nobody else.
func (b *builder) checkSelector(object ObjectRef, path *field.Path, selector *metav1.LabelSelector) {
	if selector == nil {
		return
	}
	if _, err := metav1.LabelSelectorAsSelector(selector); err != nil {
		b.blocked(object, ReasonInvalid, field.Invalid(path, field.OmitValueType{}, fmt.Sprintf("the selector selects nothing, because it cannot be read: %v", err)))
	}
}

// selects says whether a selector takes the labels. An absent or unreadable one takes none, an empty one all.
func selects(selector *metav1.LabelSelector, set labels.Set) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(set)
}

func meshName(m *appmeshv1beta2.Mesh) string { return stringOr(m.Spec.AWSName, m.Name) }

func familyOf(m *appmeshv1beta2.Mesh) AddressFamily {
	if d := m.Spec.MeshServiceDiscovery; d != nil && d.IPPreference != nil {
		switch *d.IPPreference {
		case appmeshv1beta2.IPPreferenceIPv4Only:
			return IPv4
		case appmeshv1beta2.IPPreferenceIPv6Only:
			return IPv6
		}
	}
	return ""
}

// allowsAll says what the mesh does with traffic to unknown destinations. Absent means DROP_ALL.
func allowsAll(m *appmeshv1beta2.Mesh) bool {
	return m.Spec.EgressFilter != nil && m.Spec.EgressFilter.Type == appmeshv1beta2.EgressFilterTypeAllowAll
}

// memberName is the default awsName of everything but virtual services.
func memberName(awsName *string, object ObjectRef) string {
	return stringOr(awsName, object.Name+"_"+object.Namespace)
}
