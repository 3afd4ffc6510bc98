package mesh

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// What App Mesh's own API refused after its webhooks had let it through, so that it never worked there. We can serve
// it, and do where it is stored already; admission refuses it in what is new, for it is a mistake nearly always.

const (
	maxName = 255
	maxSAN  = 254
)

// beyond reports a limit that is exceeded.
func (b *builder) beyond(object ObjectRef, err *field.Error) {
	b.remark(object, ReasonBeyondLimits, err)
}

// checkName is about the name in the mesh, given or derived.
func (b *builder) checkName(object ObjectRef, name string) {
	if len(name) > maxName {
		b.beyond(object, field.TooLong(specPath.Child("awsName"), name, maxName))
	}
}

func (b *builder) limitNode(ref ObjectRef, v *appmeshv1beta2.VirtualNode) {
	b.checkName(ref, memberName(v.Spec.AWSName, ref))
	for i, l := range v.Spec.Listeners {
		path := specPath.Child("listeners").Index(i)
		if l.TLS != nil {
			b.checkValidation(ref, path.Child("tls", "validation"), l.TLS.Validation)
		}
	}
	b.checkDefaults(ref, v.Spec.BackendDefaults)
	for i, backend := range v.Spec.Backends {
		if policy := backend.VirtualService.ClientPolicy; policy != nil {
			b.checkPolicy(ref, specPath.Child("backends").Index(i).Child("virtualService", "clientPolicy"), policy)
		}
	}
}

func (b *builder) limitGateway(ref ObjectRef, v *appmeshv1beta2.VirtualGateway) {
	b.checkName(ref, memberName(v.Spec.AWSName, ref))
	for i, l := range v.Spec.Listeners {
		path := specPath.Child("listeners").Index(i)
		if l.TLS != nil {
			b.checkValidation(ref, path.Child("tls", "validation"), l.TLS.Validation)
		}
	}
	b.checkDefaults(ref, v.Spec.BackendDefaults)
}

func (b *builder) checkDefaults(ref ObjectRef, d *appmeshv1beta2.BackendDefaults) {
	if d != nil {
		b.checkPolicy(ref, specPath.Child("backendDefaults", "clientPolicy"), d.ClientPolicy)
	}
}

func (b *builder) checkPolicy(ref ObjectRef, path *field.Path, p *appmeshv1beta2.ClientPolicy) {
	if p != nil && p.TLS != nil {
		b.checkValidation(ref, path.Child("tls", "validation"), &p.TLS.Validation)
	}
}

func (b *builder) checkValidation(ref ObjectRef, path *field.Path, v *appmeshv1beta2.TLSValidationContext) {
	if v == nil || v.SubjectAlternativeNames == nil {
		return
	}
	for i, name := range v.SubjectAlternativeNames.Match.Exact {
		if len(name) > maxSAN {
			b.beyond(ref, field.TooLong(path.Child("subjectAlternativeNames", "match", "exact").Index(i), name, maxSAN))
		}
	}
}

// limitRouter: with several listeners, App Mesh wanted to be told for which of them a route is. We take a route that
// does not say for all that speak its protocol.
func (b *builder) limitRouter(ref ObjectRef, v *appmeshv1beta2.VirtualRouter) {
	b.checkName(ref, memberName(v.Spec.AWSName, ref))
	for i, route := range v.Spec.Routes {
		path := specPath.Child("routes").Index(i)
		if len(route.Name) > maxName || route.Name == "" {
			b.beyond(ref, field.Invalid(path.Child("name"), route.Name, fmt.Sprintf("a name has 1 to %d characters", maxName)))
		}
		if len(v.Spec.Listeners) < 2 {
			continue
		}
		if kind, port := routePort(route); kind != "" && port == nil {
			b.beyond(ref, field.Required(path.Child(kind, "match", "port"), fmt.Sprintf(
				"the router has %d listeners; give the port of the one that the route is for", len(v.Spec.Listeners))))
		}
	}
}

// routePort gives the kind of a route as its field is called, and the port in its match.
func routePort(route appmeshv1beta2.Route) (string, *int64) {
	switch {
	case route.GRPCRoute != nil:
		return "grpcRoute", route.GRPCRoute.Match.Port
	case route.HTTPRoute != nil:
		return "httpRoute", route.HTTPRoute.Match.Port
	case route.HTTP2Route != nil:
		return "http2Route", route.HTTP2Route.Match.Port
	case route.TCPRoute != nil && route.TCPRoute.Match != nil:
		return "tcpRoute", route.TCPRoute.Match.Port
	case route.TCPRoute != nil:
		return "tcpRoute", nil
	}
	return "", nil
}

// reservedPrefixes were App Mesh's own in every gateway.
var reservedPrefixes = []string{"/aws-appmesh", "/aws-app-mesh"}

func (b *builder) limitGatewayRoute(ref ObjectRef, v *appmeshv1beta2.GatewayRoute) {
	b.checkName(ref, memberName(v.Spec.AWSName, ref))
	for _, route := range []struct {
		kind string
		http *appmeshv1beta2.HTTPGatewayRoute
	}{{"httpRoute", v.Spec.HTTPRoute}, {"http2Route", v.Spec.HTTP2Route}} {
		if route.http == nil {
			continue
		}
		match, path := route.http.Match, specPath.Child(route.kind, "match")
		b.checkReserved(ref, path.Child("prefix"), match.Prefix)
		if match.Path != nil {
			b.checkReserved(ref, path.Child("path", "exact"), match.Path.Exact)
		}
	}
}

func (b *builder) checkReserved(ref ObjectRef, path *field.Path, start *string) {
	for _, prefix := range reservedPrefixes {
		if start != nil && strings.HasPrefix(*start, prefix) {
			b.beyond(ref, field.Invalid(path, *start, fmt.Sprintf("paths that start with %s were reserved; choose another", prefix)))
		}
	}
}

// limitGatewayPort is what limitRouter says of routers.
func (b *builder) limitGatewayPort(ref ObjectRef, v *appmeshv1beta2.GatewayRoute, g *gateway) {
	if len(g.spec.Listeners) < 2 {
		return
	}
	if parts, err := partsOf(v.Spec); err == nil && parts.port == nil {
		b.beyond(ref, field.Required(parts.path.Child("match", "port"), fmt.Sprintf(
			"%s has %d listeners; give the port of the one that the route is for", g.ref, len(g.spec.Listeners))))
	}
}
