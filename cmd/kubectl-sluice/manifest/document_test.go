package manifest

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/inject"
)

// FuzzDocuments: whatever a file holds, its documents are the file.
func FuzzDocuments(f *testing.F) {
	for _, text := range []string{
		"", "\n", "a: 1", "---\na: 1\n---\n", "# only this\n---\n--- # two\n--- {a: 1}\n---a: b\n", "a: |\n  x\n...\n---\r\nb: 1\r\n",
		`{"a": 1}{"b": 2}` + "\n\n" + `{"c": [3]}` + "\n", `{"a": 1} }`, "{a: 1}\n", "--- {\"a\": 1}\n{\"b\": 2}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var all []byte
		for i, d := range documents("file", text) {
			all = append(append(all, d.Lead...), d.Text...)
			if d.First != (i == 0) {
				t.Errorf("document %d: first is %v", i, d.First)
			}
			d.Objects()
		}
		if !bytes.Equal(all, text) {
			t.Errorf("%q became %q", text, all)
		}
	})
}

func TestDocuments(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string // source and kind of each object
	}{
		"one":                             {"kind: A", []string{"f: A"}},
		"a comment counts, as for people": {"# about\n---\nkind: A\n---\n\n---\nkind: B", []string{"f: document 2: A", "f: document 3: B"}},
		"on the line of the separator":    {"--- {kind: A}\n--- # and\nkind: B", []string{"f: document 1: A", "f: document 2: B"}},
		"JSON, one after the other":       {`{"kind":"A"} {"kind":"B"}`, []string{"f: document 1: A", "f: document 2: B"}},
		"a list of lists": {`{kind: List, items: [{kind: AList, apiVersion: v1, items: [{x: 1}]}, {kind: B}]}`,
			[]string{"f: item 1: item 1: A", "f: item 2: B"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range documents("f", []byte(tc.text)) {
				objects, problems := d.Objects()
				if len(problems) > 0 {
					t.Error(problems)
				}
				for _, o := range objects {
					kind, _ := o.Content["kind"].(string)
					got = append(got, o.Source+": "+kind)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPatched: what an operation does to a document is what people would have typed.
func TestPatched(t *testing.T) {
	for name, tc := range map[string]struct {
		text, want string
		op         inject.Op
	}{
		"a field that is new": {
			"# about a\na: 1 # one\nb:\n  - x   # first\n", "# about a\na: 1 # one\nb:\n  - x # first\nc/d:\n  e: \"yes\"\n",
			inject.Op{Op: "add", Path: "/c~1d", Value: map[string]string{"e": "yes"}},
		},
		"a field that is null":              {"a:\nb: 2\n", "a: {}\nb: 2\n", inject.Op{Op: "add", Path: "/a", Value: map[string]string{}}},
		"the last of a list":                {"a:\n- b: 1\n", "a:\n- b: 1\n- c: \"1\"\n", inject.Op{Op: "add", Path: "/a/-", Value: map[string]any{"c": "1"}}},
		"the first of a list":               {"a: [1, 2]\n", "a: [0, 1, 2]\n", inject.Op{Op: "add", Path: "/a/0", Value: 0}},
		"instead of an item":                {"a:\n  - 1\n  - 2 # two\n", "a:\n  - 1\n  - 3\n", inject.Op{Op: "replace", Path: "/a/1", Value: 3}},
		"without a field":                   {"a:\n  # of b\n  b: 1\n  c: 2\n", "a:\n  c: 2\n", inject.Op{Op: "remove", Path: "/a/b"}},
		"text of several lines":             {"a: 1\n", "a: 1\nb: |\n  x\n  y\n", inject.Op{Op: "add", Path: "/b", Value: "x\ny\n"}},
		"spellings are nobody's business":   {"on: 0x1F\nb: 'x'\nc: \"y\"\nd: 1.10\n", "on: 0x1F\nb: 'x'\nc: \"y\"\nd: 1.10\ne: 1\n", inject.Op{Op: "add", Path: "/e", Value: 1}},
		"JSON stays JSON":                   {`{"b": [12345678901234567890], "a": 1}`, "{\n  \"a\": 2,\n  \"b\": [\n    12345678901234567890\n  ]\n}\n", inject.Op{Op: "add", Path: "/a", Value: 2}},
		"with anchors, comments are lost":   {"a: &x {b: 1} # one\nc: *x\n", "a:\n  b: 1\nc:\n  b: 1\n  d: 2\n", inject.Op{Op: "add", Path: "/c/d", Value: 2}},
		"a path that leads nowhere is told": {"a: 1\n", "remove /b/c: there is no b", inject.Op{Op: "remove", Path: "/b/c"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := documents("f", []byte(tc.text))[0].Patched([]inject.Op{tc.op})
			if err != nil {
				got = []byte(err.Error())
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
