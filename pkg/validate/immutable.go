package validate

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// fixed collects the fields of one kind that an update changed although it may not (AM001).
type fixed struct {
	kind    string
	changed []string
}

// awsName may not change. Unset counts as the name that it would get, so an object that was stored while nobody
// answered for the webhook can still be completed.
func (f *fixed) awsName(old, new *string, derived string) {
	effective := func(name *string) string {
		if name == nil || *name == "" {
			return derived
		}
		return *name
	}
	if effective(old) != effective(new) {
		f.changed = append(f.changed, "spec.awsName")
	}
}

// meshRef may not change once it is set.
func (f *fixed) meshRef(old, new *appmeshv1beta2.MeshReference) {
	if old != nil && !equality.Semantic.DeepEqual(old, new) {
		f.changed = append(f.changed, "spec.meshRef")
	}
}

// field may not change once it is set; unset means a nil pointer.
func (f *fixed) field(path string, wasSet, same bool) {
	if wasSet && !same {
		f.changed = append(f.changed, path)
	}
}

// problems is App Mesh's sentence, one for all changed fields.
func (f *fixed) problems() []problem {
	if len(f.changed) == 0 {
		return nil
	}
	return []problem{{
		path:     field.NewPath(strings.Join(f.changed, ",")),
		severity: Deny,
		text:     f.kind + " update may not change these fields: " + strings.Join(f.changed, ","),
	}}
}

// The names that App Mesh derived when awsName is not set.
func underscored(name, namespace string) string { return name + "_" + namespace }
func dotted(name, namespace string) string      { return name + "." + namespace }
