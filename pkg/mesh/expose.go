package mesh

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// An annotated virtual service is exposed without a GatewayRoute, as flagger-appmesh-gateway did; Flagger writes the
// annotations from a Canary's service.hosts. It stands for a GatewayRoute of the same namespace and labels that takes
// the service's domains, prefix "/", and has the lowest priority. The host becomes the service's name, the path stays.

var annotationPath = field.NewPath("metadata", "annotations")

// expose adds the exposed virtual services to their gateways. The oldest come first, for they keep contested domains.
func (b *builder) expose(gateways []*gateway, nodes members) {
	type exposed struct {
		service *Service
		object  *appmeshv1beta2.VirtualService
	}
	var all []exposed
	for i := range b.model.Services {
		s := &b.model.Services[i]
		if v := b.serviceByRef[s.ID]; v.Annotations[appmeshv1beta2.AnnotationGatewayExpose] == "true" {
			all = append(all, exposed{service: s, object: v})
		}
	}
	slices.SortFunc(all, func(x, y exposed) int { return b.seniority(x.service).compare(b.seniority(y.service)) })
	tables := map[*gateway]*exposedDomains{}
	for _, e := range all {
		base := b.exposedRule(e.service, e.object.Annotations)
		base.service = b.split(e.service, e.object.Annotations, nodes)
		if base.servicePort(0) == nil {
			b.awaits(e.service.ID, ReasonNoListener, field.Invalid(annotationPath.Key(appmeshv1beta2.AnnotationGatewayExpose), "true",
				"the virtual service has no HTTP port that a gateway could lead to"))
			continue
		}
		takers := b.takers(e.object, e.service, gateways)
		if len(takers) == 0 {
			b.problems = append(b.problems, Problem{Object: e.service.ID, Reason: ReasonGatewayNotFound, Transient: true,
				Err: field.Invalid(annotationPath.Key(appmeshv1beta2.AnnotationGatewayExpose), "true", fmt.Sprintf(
					"no VirtualGateway of mesh %q takes the virtual service; one in its namespace without a namespaceSelector would, or one whose namespaceSelector matches the namespace", e.service.Mesh))})
		}
		for _, g := range takers {
			if tables[g] == nil {
				tables[g] = &exposedDomains{b: b, gateway: g.ref, owners: map[string]*Service{}}
			}
			r := base
			if r.domains = tables[g].claim(e.service, base.domains); len(r.domains) > 0 {
				g.rules = append(g.rules, r)
			}
		}
	}
}

// takers are the gateways of the same mesh that take an exposed service: those whose namespaceSelector matches its
// namespace, and those of its own namespace that have none; with a gatewayRouteSelector, only if that matches too.
func (b *builder) takers(v *appmeshv1beta2.VirtualService, s *Service, gateways []*gateway) []*gateway {
	var out []*gateway
	for _, g := range gateways {
		near := g.spec.NamespaceSelector == nil && g.ref.Namespace == v.Namespace
		if meshName(g.mesh) == s.Mesh && (near || selects(g.spec.NamespaceSelector, b.namespaces[v.Namespace])) && g.takesLabels(v.Labels) {
			out = append(out, g)
		}
	}
	return out
}

func (b *builder) exposedRule(s *Service, annotations map[string]string) rule {
	out := rule{
		source: s.ID, priority: lowestPriority, match: Match{Prefix: "/"}, rewrite: rewrite{keep: true, host: true}, service: s,
		domains: b.exposedNames(s, annotations[appmeshv1beta2.AnnotationGatewayDomain]),
	}
	if text, ok := annotations[appmeshv1beta2.AnnotationGatewayTimeout]; ok {
		path := annotationPath.Key(appmeshv1beta2.AnnotationGatewayTimeout)
		if d, err := time.ParseDuration(text); err != nil || d < 0 {
			b.remark(s.ID, ReasonInvalid, field.Invalid(path, text, "the timeouts of the routes hold, for this is not a duration; write one such as 15s"))
		} else {
			timeout := Duration(d)
			out.timeout = &timeout
		}
	}
	if text, ok := annotations[appmeshv1beta2.AnnotationGatewayRetries]; ok {
		path := annotationPath.Key(appmeshv1beta2.AnnotationGatewayRetries)
		if n, err := strconv.ParseUint(text, 10, 32); err != nil || n > math.MaxInt32 {
			b.remark(s.ID, ReasonInvalid, field.Invalid(path, text, "the retry policies of the routes hold, for this is not a number of retries"))
		} else {
			out.retry = func() *Retry { return exposedRetry(uint32(n)) }
		}
	}
	return out
}

// exposedNames are the spellings of the service's name and the domains of the annotation. Flagger's list ends in a comma.
func (b *builder) exposedNames(s *Service, annotation string) []string {
	names := append([]string{s.Name}, b.spellings(s.Name, s.ID.Namespace, "")...)
	for part := range strings.SplitSeq(annotation, ",") {
		name := strings.TrimSpace(part)
		if name == "" {
			continue
		}
		// Ports do not count on a gateway: a load balancer or a port-forward changes them.
		host, _, _ := strings.Cut(canonical(name), ":")
		if !isDomain(host) {
			b.remark(s.ID, ReasonInvalid, field.Invalid(annotationPath.Key(appmeshv1beta2.AnnotationGatewayDomain), name,
				"the gateway does not answer for this, for it is not a domain; write a host name, * or a pattern such as *.example.com"))
			continue
		}
		names = append(names, host)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// exposedDomains gives each domain of a gateway to the oldest exposed service that wants it.
type exposedDomains struct {
	b       *builder
	gateway ObjectRef
	owners  map[string]*Service
}

func (d *exposedDomains) claim(s *Service, names []string) []string {
	var won []string
	for _, name := range names {
		if owner := d.owners[name]; owner != nil {
			d.b.remark(s.ID, ReasonDomainConflict, field.Invalid(annotationPath.Key(appmeshv1beta2.AnnotationGatewayDomain), name, fmt.Sprintf(
				"on %s this domain is that of %s, which is older; give each a domain of its own", d.gateway, owner.ID)))
			continue
		}
		d.owners[name] = s
		won = append(won, name)
	}
	return won
}
