package mesh

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// What is accepted and not done. A field leaves this file when something honours it.

// ignored remarks on a field that is given and does nothing; consequence is a sentence that says what happens instead.
func (b *builder) ignored(object ObjectRef, given bool, path *field.Path, consequence string) {
	if given {
		b.remark(object, ReasonNotHonoured, field.Invalid(path, field.OmitValueType{}, consequence))
	}
}

func (b *builder) notHonouredMesh(ref ObjectRef, m *appmeshv1beta2.Mesh) {
	b.ignored(ref, m.Spec.MeshOwner != nil, specPath.Child("meshOwner"), "there are no AWS accounts here: the mesh is that of this cluster")
	if e := m.Spec.EgressFilter; e != nil && e.Type != appmeshv1beta2.EgressFilterTypeAllowAll && e.Type != appmeshv1beta2.EgressFilterTypeDropAll {
		b.blocked(ref, ReasonInvalid, field.NotSupported(specPath.Child("egressFilter", "type"), e.Type,
			[]appmeshv1beta2.EgressFilterType{appmeshv1beta2.EgressFilterTypeAllowAll, appmeshv1beta2.EgressFilterTypeDropAll}))
	}
}

func (b *builder) notHonouredNode(ref ObjectRef, v *appmeshv1beta2.VirtualNode) {
	if d := v.Spec.ServiceDiscovery; d != nil {
		b.ignored(ref, d.AWSCloudMap != nil && cloudMapOf(d) == nil, specPath.Child("serviceDiscovery", "awsCloudMap"), "the virtual node is found by dns.hostname")
	}
}

func (b *builder) notHonouredGateway(ref ObjectRef, v *appmeshv1beta2.VirtualGateway) {
	for i, l := range v.Spec.Listeners {
		path := specPath.Child("listeners").Index(i)
		b.ignored(ref, l.HealthCheck != nil, path.Child("healthCheck"), "nobody checks the gateway by this; give its pods a readiness probe, for example of /ready on port 9901, which takes them out of their Service")
	}
}
