package mesh

import (
	"cmp"
	"fmt"
	"strings"
)

// ObjectRef names an object of the cluster. Namespace is empty for a Mesh.
type ObjectRef struct {
	Kind      string
	Namespace string
	Name      string
}

// String gives kind/namespace/name.
func (r ObjectRef) String() string {
	return r.Kind + "/" + r.Namespace + "/" + r.Name
}

// Compare orders by kind, then namespace, then name.
func (r ObjectRef) Compare(other ObjectRef) int {
	return cmp.Or(
		cmp.Compare(r.Kind, other.Kind),
		cmp.Compare(r.Namespace, other.Namespace),
		cmp.Compare(r.Name, other.Name),
	)
}

// MarshalText makes an ObjectRef one word in YAML.
func (r ObjectRef) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *ObjectRef) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), "/")
	if len(parts) != 3 {
		return fmt.Errorf("object %q is not of the form kind/namespace/name", text)
	}
	*r = ObjectRef{Kind: parts[0], Namespace: parts[1], Name: parts[2]}
	return nil
}
