package mesh

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// domains decides which service each name of one route table means. Envoy refuses a table in which a name appears
// twice, with everything else in it, so every name has one owner: the service that is called so (awsName) beats those
// for which the name is one spelling of many; then the older service wins, then the one with the lower name.
type domains struct {
	b      *builder
	owners map[string]claim
}

type claim struct {
	service *Service
	derived bool
}

func newDomains(b *builder) *domains {
	return &domains{b: b, owners: map[string]claim{}}
}

// claim enters a service with its own name and further spellings of it. Services must come the oldest first.
func (d *domains) claim(s *Service, spellings []string) {
	d.enter(s.Name, claim{service: s})
	for _, name := range spellings {
		if name != s.Name {
			d.enter(name, claim{service: s, derived: true})
		}
	}
}

func (d *domains) enter(name string, c claim) {
	held, taken := d.owners[name]
	switch {
	case taken && held.service == c.service:
		return
	case !taken:
		d.owners[name] = c
	case held.derived && !c.derived:
		d.owners[name] = c
		d.lost(name, held, c)
	default:
		d.lost(name, c, held)
	}
}

func (d *domains) lost(name string, loser, winner claim) {
	if loser.derived {
		d.b.remark(loser.service.ID, ReasonDomainConflict, field.Invalid(specPath.Child("awsName"), loser.service.Name, fmt.Sprintf(
			"the name %q means %s where both are known, and other spellings of the name this one; rename one of them", name, winner.service.ID)))
		return
	}
	d.b.blocked(loser.service.ID, ReasonDomainConflict, field.Invalid(specPath.Child("awsName"), name, fmt.Sprintf(
		"%s has this name too and is older, so where both are known nobody reaches this one by it; rename one of them", winner.service.ID)))
}

// won gives the names of each service, sorted.
func (d *domains) won() map[ObjectRef][]string {
	names := map[ObjectRef][]string{}
	for name, c := range d.owners {
		names[c.service.ID] = append(names[c.service.ID], name)
	}
	for _, list := range names {
		slices.Sort(list)
	}
	return names
}
