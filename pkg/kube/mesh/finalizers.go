package mesh

import (
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// App Mesh's controller put finalizers on its objects, and nobody but us takes them off any more. We do when an object is
// deleted, and never add one. This file is pure.

// awsFinalizers tells those that hold an object for its members from those that held it for something in AWS.
var awsFinalizers = map[string]bool{
	appmeshv1beta2.FinalizerMeshMembers:           true,
	appmeshv1beta2.FinalizerVirtualGatewayMembers: true,
	appmeshv1beta2.FinalizerAWSAppMeshResources:   false,
	appmeshv1beta2.FinalizerAWSCloudMapResources:  false,
}

// release is an object that loses finalizers.
type release struct {
	mesh.ObjectRef
	identity
	have, keep []string
}

// patch takes the finalizers off if the list is still the one that we saw: those of others must survive.
func (r release) patch() ([]byte, error) {
	type op struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	return json.Marshal([]op{
		{"test", "/metadata/uid", r.uid},
		{"test", "/metadata/finalizers", r.have},
		{"replace", "/metadata/finalizers", r.keep},
	})
}

// pending is a Mesh or a VirtualGateway that was deleted before its members.
type pending struct {
	mesh.ObjectRef
	identity
	members mesh.Members
}

// problem names the members in the object's condition. It goes away with them, so it is no event of its own; App Mesh's
// event is sent beside it.
func (p pending) problem() mesh.Problem {
	return mesh.Problem{
		Object: p.ObjectRef, Reason: mesh.ReasonPendingMembers, Transient: true,
		Err: field.Forbidden(field.NewPath("metadata", "finalizers"), p.members.Pending(p.ObjectRef)+" ("+p.members.Named()+")"),
	}
}

// leaving sorts the objects that are being deleted: what may go now, and what waits for its members. An object whose
// namespace is being deleted waits for nobody.
func leaving(s mesh.Snapshot, broken []*undecodable) (releases []release, waiting []pending) {
	going := map[string]bool{}
	for _, namespace := range s.Namespaces {
		going[namespace.Name] = namespace.DeletionTimestamp != nil
	}
	look := func(ref mesh.ObjectRef, o metav1.Object) {
		finalizers := o.GetFinalizers()
		if o.GetDeletionTimestamp() == nil || !slices.ContainsFunc(finalizers, isAWS) {
			return
		}
		id := identity{o.GetUID(), o.GetGeneration()}
		members := mesh.MembersOf(ref, s)
		held := len(members) > 0 && !going[ref.Namespace] && slices.ContainsFunc(finalizers, func(f string) bool { return awsFinalizers[f] })
		if held {
			waiting = append(waiting, pending{ref, id, members})
			return
		}
		keep := slices.DeleteFunc(slices.Clone(finalizers), isAWS)
		releases = append(releases, release{ObjectRef: ref, identity: id, have: finalizers, keep: keep})
	}
	for kind, list := range objectsByKind(s) {
		for _, o := range list {
			look(mesh.ObjectRef{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}, o)
		}
	}
	for _, o := range broken {
		look(mesh.ObjectRef{Kind: o.kind, Namespace: o.Namespace, Name: o.Name}, o)
	}
	slices.SortFunc(releases, func(a, b release) int { return a.Compare(b.ObjectRef) })
	slices.SortFunc(waiting, func(a, b pending) int { return a.Compare(b.ObjectRef) })
	return releases, waiting
}

func isAWS(finalizer string) bool {
	_, known := awsFinalizers[finalizer]
	return known
}
