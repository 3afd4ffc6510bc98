package fields

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/test/snapshot"
)

// Family is a group of kinds whose cases are proved together.
type Family struct {
	// Group is the API group of the kinds.
	Group string
	// Dir has the cases of each kind, below the top of the repository.
	Dir string
}

// Families of kinds.
var (
	// Meshes are the kinds of App Mesh; the tests of pkg/xds prove their cases.
	Meshes = Family{Group: "appmesh.k8s.aws", Dir: "pkg/xds/testdata/fields"}
	// Releases are the kinds of Flagger; the tests of pkg/canary prove their cases.
	Releases = Family{Group: "flagger.app", Dir: "pkg/canary/testdata/fields"}
)

// inSuffix is what a file of cases is called after its kind.
const inSuffix = ".in.yaml"

// Case says what becomes of a row. Rows in it are whole paths.
type Case struct {
	// Object that has the row, as Kind/name.
	Object string `json:"-"`
	// Row is the field, and With its value. A field of every list on the way is that of its first item. The row of a
	// map's values takes a map.
	Row  string `json:"row"`
	With any    `json:"with,omitempty"`
	// Values are more cases like this, one for each.
	Values []any `json:"values,omitempty"`
	// Without is the value in the twin; absent, the twin has no such field.
	Without any `json:"without,omitempty"`
	// Given are the values of other rows that both twins need.
	Given map[string]any `json:"given,omitempty"`

	// About is a sentence on an honoured row for users; that of the group if it is absent.
	About string `json:"about,omitempty"`
	// Envoy names what differs: the proxy, the list of resources, and the path in them. A first word that the group has
	// among its places stands for that.
	Envoy []string `json:"envoy,omitempty"`
	// Warns is the sentence of the problem with the field.
	Warns string `json:"warns,omitempty"`
	// When says in which case it warns; empty is always.
	When string `json:"when,omitempty"`
	// Shows names what differs in a release: the kinds of objects that are made for it, and "film" for what happens.
	Shows []string `json:"shows,omitempty"`
	// Plays are the scenes of the film, if the usual ones do not show it.
	Plays []string `json:"plays,omitempty"`
	// Does is what the field does where Envoy's configuration, or a release, does not show it.
	Does string `json:"does,omitempty"`
	// Proof is the file and the name of the test of what Does says.
	Proof string `json:"proof,omitempty"`
	// Dir is that of the family.
	Dir string `json:"-"`
}

// File of the case, from the top of the repository.
func (c Case) File() string { return c.Dir + "/" + c.Kind() + inSuffix }

// Kind of the object that has the row.
func (c Case) Kind() string {
	kind, _, _ := strings.Cut(c.Object, "/")
	return kind
}

func (c Case) String() string {
	text := c.Object + " " + c.Row
	if c.With != nil {
		value, _ := json.Marshal(c.With)
		text += "=" + string(value)
	}
	return text
}

// group holds the cases of one object.
type group struct {
	// Object has the rows, as Kind/name.
	Object string `json:"object"`
	// About is a sentence on the honoured rows for users.
	About string `json:"about,omitempty"`
	// Under is what the paths of all rows start with.
	Under string `json:"under,omitempty"`
	// Each makes the group several: in every text ${word} becomes what an item has for the word.
	Each []map[string]string `json:"each,omitempty"`
	// Places are the beginnings of Envoy's paths.
	Places map[string]string `json:"places,omitempty"`
	// Given is given to every case.
	Given map[string]any `json:"given,omitempty"`
	Cases []Case         `json:"cases"`
}

// Suite is a file of cases with the world that they change.
type Suite struct {
	World World
	Cases []Case
}

// Suites reads those of all kinds of a family, by kind. root is the top of the repository.
func Suites(root string, family Family) (map[string]Suite, error) {
	paths, err := filepath.Glob(filepath.Join(root, family.Dir, "*"+inSuffix))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no cases in %s (%w)", family.Dir, err)
	}
	out := map[string]Suite{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the cases: %w", err)
		}
		kind := strings.TrimSuffix(filepath.Base(path), inSuffix)
		if out[kind], err = Parse(text, family); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return out, nil
}

// Parse reads a file of a family: documents with a kind are the world's objects, the others groups of cases.
func Parse(in []byte, family Family) (Suite, error) {
	var s Suite
	err := snapshot.Documents(in, func(doc []byte) error {
		var object map[string]any
		if err := yaml.Unmarshal(doc, &object); err != nil {
			return err
		}
		switch {
		case object == nil:
			return nil // a comment
		case object["kind"] != nil:
			s.World = append(s.World, object)
			return nil
		}
		var g group
		if err := yaml.UnmarshalStrict(doc, &g); err != nil {
			return err
		}
		cases, err := g.expand()
		for i := range cases {
			cases[i].Dir = family.Dir
		}
		s.Cases = append(s.Cases, cases...)
		return err
	})
	return s, err
}

func (g group) expand() ([]Case, error) {
	if len(g.Each) == 0 {
		return g.cases(), nil
	}
	template, err := json.Marshal(g)
	if err != nil {
		return nil, err
	}
	var out []Case
	for _, words := range g.Each {
		text := string(template)
		for word, value := range words {
			text = strings.ReplaceAll(text, "${"+word+"}", value)
		}
		var one group
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			return nil, err
		}
		out = append(out, one.cases()...)
	}
	return out, nil
}

func (g group) cases() []Case {
	var out []Case
	for _, c := range g.Cases {
		c.Object, c.Row, c.About = g.Object, g.row(c.Row), cmp.Or(c.About, g.About)
		given := map[string]any{}
		maps.Copy(given, g.Given)
		maps.Copy(given, c.Given)
		c.Given = map[string]any{}
		for row, value := range given {
			c.Given[g.row(row)] = value
		}
		envoy := make([]string, len(c.Envoy))
		for i, path := range c.Envoy {
			place, rest, more := strings.Cut(path, ".")
			envoy[i] = cmp.Or(g.Places[place], place)
			if more {
				envoy[i] += "." + rest
			}
		}
		c.Envoy = envoy
		values := c.Values
		if c.Values = nil; c.With != nil || len(values) == 0 {
			out = append(out, c)
		}
		for _, value := range values {
			c.With = value
			out = append(out, c)
		}
	}
	return out
}

func (g group) row(path string) string {
	switch {
	case g.Under == "":
		return path
	case path == "" || path == ".":
		return g.Under
	case strings.HasPrefix(path, "["):
		return g.Under + path
	default:
		return g.Under + "." + path
	}
}
