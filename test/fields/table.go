package fields

import (
	"regexp"
	"slices"
	"strings"
)

// FateKind is the sort of thing that becomes of a row.
type FateKind string

// Kinds of fates.
const (
	// Undecided is a row without a case.
	Undecided FateKind = ""
	// Honoured rows are fields of Envoy, or change a release.
	Honoured FateKind = "honoured"
	// Warned rows do nothing, and their owners are told.
	Warned FateKind = "warned"
	// Elsewhere is what works outside of Envoy's configuration.
	Elsewhere FateKind = "elsewhere"
	// Holds is an object or a list that is what its fields or items are.
	Holds FateKind = "holds"
)

// Fate is what becomes of a row.
type Fate struct {
	Kind FateKind
	// Envoy are the fields of an honoured row, without the names of listeners, clusters and so on, and About what it is
	// about.
	Envoy []string
	About []string
	// Shows is where in a release an honoured row is seen.
	Shows []string
	// Warnings are the sentences of the problems, and Does what the row does elsewhere.
	Warnings []string
	Does     []string
	// Conditional warnings say first when they are given. They decide nothing.
	Conditional []string
	// From is the row above that decides, if it is not the row itself.
	From string
}

// Table holds every row and what becomes of it.
type Table struct {
	Family Family
	Rows   []Row
	cases  map[string][]Case
}

// NewTable reads the rows and the cases of a family. root is the top of the repository.
func NewTable(root string, family Family) (*Table, error) {
	rows, err := Rows(root, family)
	if err != nil {
		return nil, err
	}
	suites, err := Suites(root, family)
	if err != nil {
		return nil, err
	}
	t := &Table{Family: family, Rows: rows, cases: map[string][]Case{}}
	for _, suite := range suites {
		for _, c := range suite.Cases {
			t.cases[c.Kind()+" "+c.Row] = append(t.cases[c.Kind()+" "+c.Row], c)
		}
	}
	return t, nil
}

// Fate gives what becomes of a row: what its cases say, else what those of a row above say about all that is below it,
// else it holds other rows.
func (t *Table) Fate(row Row) Fate {
	own := fateOf(t.cases[row.String()])
	if own.Kind != Undecided {
		return own
	}
	for path := above(row.Path); path != ""; path = above(path) {
		if fate := fateOf(t.cases[row.Kind+" "+path]); len(fate.Warnings)+len(fate.Does) > 0 {
			fate.From = path
			return fate
		}
	}
	for _, other := range t.Rows {
		if other.Kind == row.Kind && Below(other.Path, row.Path) {
			own.Kind = Holds
		}
	}
	return own
}

// above is the path of the object or the list that has the row.
func above(path string) string {
	if list, ok := strings.CutSuffix(path, "[]"); ok {
		return list
	}
	return path[:max(strings.LastIndex(path, "."), 0)]
}

func fateOf(cases []Case) Fate {
	var out Fate
	for _, c := range cases {
		for _, path := range c.Envoy {
			out.Envoy = append(out.Envoy, messageField(path)...)
		}
		out.Shows = append(out.Shows, c.Shows...)
		if len(c.Envoy) > 0 {
			out.About = append(out.About, c.About)
		}
		switch {
		case c.When != "":
			out.Conditional = append(out.Conditional, "if "+c.When+": "+c.Warns)
		case c.Warns != "":
			out.Warnings = append(out.Warnings, c.Warns)
		}
		if c.Does != "" {
			out.Does = append(out.Does, c.Does)
		}
	}
	for _, list := range []*[]string{&out.Envoy, &out.Shows, &out.About, &out.Warnings, &out.Conditional, &out.Does} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	switch {
	case len(out.Envoy)+len(out.Shows) > 0:
		out.Kind = Honoured
	case len(out.Warnings) > 0:
		out.Kind = Warned
	case len(out.Does) > 0:
		out.Kind = Elsewhere
	}
	return out
}

var bracketed = regexp.MustCompile(`\[[^\]]*\]`)

// messages are what the lists hold, the inner ones first: the messages of Envoy's API that its documentation is sorted by.
var messages = []struct{ path, name string }{
	{"routes[].virtual_hosts[].routes[]", "Route"},
	{"routes[].virtual_hosts[]", "VirtualHost"},
	{"routes[]", "RouteConfiguration"},
	{"listeners[].filter_chains[]", "FilterChain"},
	{"listeners[]", "Listener"},
	{"clusters[]", "Cluster"},
	{"endpoints[]", "ClusterLoadAssignment"},
	{"secrets[]", "Secret"},
}

// messageField drops the proxy and the names of items, and starts with the message that has the field. Of a whole proxy it
// gives the messages.
func messageField(path string) []string {
	_, field, more := strings.Cut(path, ".")
	if !more {
		return []string{"Listener", "RouteConfiguration", "Cluster"}
	}
	field = bracketed.ReplaceAllString(field, "[]")
	for _, m := range messages {
		if rest, ok := strings.CutPrefix(field, m.path); ok {
			return []string{m.name + rest}
		}
	}
	return []string{field}
}
