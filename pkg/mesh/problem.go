package mesh

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Problem is something about an object that its owner should know.
type Problem struct {
	// Object that the problem is about.
	Object ObjectRef
	// Reason is one of the Reason constants.
	Reason string
	// Err says where in the object and, in a sentence, what and what to do about it.
	Err *field.Error
	// Transient is set if the problem goes away by itself when another object appears: admission warns, it does not refuse.
	Transient bool
	// Blocking is set if the object, or the part that Err names, is not served. Otherwise the object works as
	// described in Err, and its condition stays True.
	Blocking bool
}

// Compare orders by object, then path, reason and sentence. Problems of which it says 0 are the same to whoever reads them.
func (p Problem) Compare(other Problem) int {
	return cmp.Or(
		p.Object.Compare(other.Object),
		cmp.Compare(p.Err.Field, other.Err.Field),
		cmp.Compare(p.Reason, other.Reason),
		cmp.Compare(p.Err.Error(), other.Err.Error()),
	)
}

// missing is the error of a name that nothing has, or nothing that is served; remedy says what to do about it.
func missing(path *field.Path, ref ObjectRef, remedy string) *field.Error {
	name := ref.Name
	if ref.Namespace != "" {
		name = ref.Namespace + "/" + ref.Name
	}
	err := field.NotFound(path, name)
	err.Detail = fmt.Sprintf("there is no such %s, or it is not served; %s", ref.Kind, remedy)
	return err
}
