package mesh

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// An ARN names an object by its names in App Mesh:
// arn:aws:appmesh:<region>:<account>:mesh/<mesh>[@<owner>]/virtualNode/<awsName>, or from "mesh" on. Region and account
// mean nothing here, nor does the owner of a shared mesh: the mesh is that of this cluster.

// awsName is what is in an ARN. Mesh is the awsName of a Mesh.
type awsName struct {
	kind, mesh, name string
}

// arnWords are how ARNs call the kinds.
var arnWords = map[string]string{
	KindVirtualNode: "virtualNode", KindVirtualService: "virtualService", KindVirtualRouter: "virtualRouter",
}

// ParseARN reads an ARN of a virtual node, service, router or gateway, whole or from "mesh" on: the awsNames of the mesh
// and of the object, and its kind as ARNs call it.
func ParseARN(arn string) (mesh, word, name string, ok bool) {
	resource := arn
	if strings.HasPrefix(arn, "arn:") {
		parts := strings.SplitN(arn, ":", 6)
		if len(parts) != 6 {
			return "", "", "", false
		}
		resource = parts[5]
	}
	parts := strings.Split(resource, "/")
	if len(parts) != 4 || parts[0] != "mesh" || parts[1] == "" || parts[3] == "" {
		return "", "", "", false
	}
	mesh, _, _ = strings.Cut(parts[1], "@")
	return mesh, parts[2], parts[3], true
}

// parseARN reads an ARN that must be of a kind.
func parseARN(path *field.Path, arn, kind string) (awsName, *field.Error) {
	invalid := func(why string) (awsName, *field.Error) {
		return awsName{}, field.Invalid(path, arn, fmt.Sprintf("%s; write arn:aws:appmesh:<region>:<account>:mesh/<mesh>/%s/<name>", why, arnWords[kind]))
	}
	mesh, word, name, ok := ParseARN(arn)
	if !ok {
		return invalid("invalid arn")
	}
	if word != arnWords[kind] {
		return invalid(fmt.Sprintf("expects %s ARN, got %s", arnWords[kind], word))
	}
	if kind == KindVirtualService {
		name = canonical(name)
	}
	return awsName{kind: kind, mesh: mesh, name: name}, nil
}

// named is the object that an ARN means.
type named struct {
	ref ObjectRef
	age seniority
}

// enterName lets an object be found by ARN. Of two with one name it is the older.
func (b *builder) enterName(name awsName, age seniority) {
	if held, taken := b.names[name]; !taken || age.compare(held.age) < 0 {
		b.names[name] = named{ref: age.ref, age: age}
	}
}

// reference is how one object names another: in two fields below path, of which one is to be given.
type reference struct {
	by   ObjectRef
	path *field.Path
	kind string
	ref  *kubernetesReference
	arn  *string
}

// kubernetesReference is what the types of references in the API have in common.
type kubernetesReference struct {
	Namespace *string
	Name      string
}

// referenceFields are the names of the two fields.
var referenceFields = map[string]struct{ ref, arn string }{
	KindVirtualNode:    {"virtualNodeRef", "virtualNodeARN"},
	KindVirtualService: {"virtualServiceRef", "virtualServiceARN"},
	KindVirtualRouter:  {"virtualRouterRef", "virtualRouterARN"},
}

var notFound = map[string]string{
	KindVirtualNode: ReasonNodeNotFound, KindVirtualService: ReasonServiceNotFound, KindVirtualRouter: ReasonRouterNotFound,
}

// resolve gives the object that is meant and the field that says so; false after telling why there is none. What is named
// by reference need not exist.
func (b *builder) resolve(r reference) (ObjectRef, *field.Path, bool) {
	fields := referenceFields[r.kind]
	if r.ref != nil {
		if r.arn != nil {
			b.remark(r.by, ReasonInvalid, field.Invalid(r.path.Child(fields.arn), *r.arn, fmt.Sprintf("this does nothing beside %s; take one of them away", fields.ref)))
		}
		return refTo(r.kind, r.ref.Namespace, r.ref.Name, r.by), r.path.Child(fields.ref), true
	}
	byARN := r.path.Child(fields.arn)
	if r.arn == nil {
		b.blocked(r.by, ReasonInvalid, field.Required(byARN, "name the object by "+fields.ref))
		return ObjectRef{}, nil, false
	}
	name, err := parseARN(byARN, *r.arn, r.kind)
	if err != nil {
		b.blocked(r.by, ReasonInvalid, err)
		return ObjectRef{}, nil, false
	}
	found, ok := b.names[name]
	if !ok {
		err := field.NotFound(byARN, *r.arn)
		err.Detail = fmt.Sprintf("mesh %q of this cluster has no %s whose awsName is %q, or it is not served; create it, or name another", name.mesh, r.kind, name.name)
		b.awaits(r.by, notFound[r.kind], err)
		return ObjectRef{}, nil, false
	}
	return found.ref, byARN, true
}
