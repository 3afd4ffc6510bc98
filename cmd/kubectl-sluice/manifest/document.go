package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Document is a document of YAML, or a value of JSON, as somebody wrote it. Lead and Text of all documents of a file, one
// after the other, are the file.
type Document struct {
	// Source is the file, with the number of the document if it has several.
	Source string
	// Lead is the line that separates it from what is before, if there is one.
	Lead []byte
	Text []byte
	// First says that a file begins with it.
	First bool
	// json says that it is JSON, of which there may be any number one after the other, as kubectl prints it.
	json bool
}

// Object is an object of a document.
type Object struct {
	// Source is where it is, for people; Pointer is the same within the document, as a JSON pointer.
	Source, Pointer string
	Content         map[string]any
}

// documents cuts a file, so that a document that is broken costs itself alone.
func documents(path string, text []byte) []Document {
	var out []Document
	for _, d := range cut(text) {
		out = append(out, d.values()...)
	}
	total := 0
	for _, d := range out {
		if !d.blank() {
			total++
		}
	}
	number := 0
	for i := range out {
		out[i].First, out[i].Source = i == 0, path
		if !out[i].blank() {
			number++
		}
		if total > 1 {
			out[i].Source = fmt.Sprintf("%s: document %d", path, number)
		}
	}
	return out
}

// cut cuts before the lines that begin a document of YAML.
func cut(text []byte) []Document {
	out := []Document{{}}
	for line := range bytes.Lines(text) {
		rest, found := bytes.CutPrefix(line, []byte("---"))
		if !found || len(rest) > 0 && !bytes.ContainsAny(rest[:1], " \t\r\n") {
			out[len(out)-1].Text = append(out[len(out)-1].Text, line...)
			continue
		}
		if trimmed := bytes.TrimSpace(rest); len(trimmed) > 0 && trimmed[0] != '#' {
			// The document begins on the line of its separator.
			out = append(out, Document{Lead: []byte("---"), Text: bytes.Clone(rest)})
			continue
		}
		out = append(out, Document{Lead: bytes.Clone(line)})
	}
	if len(out) > 1 && len(out[0].Text) == 0 {
		return out[1:]
	}
	return out
}

// values cuts a document into values of JSON, if that is what it is.
func (d Document) values() []Document {
	if !bytes.HasPrefix(bytes.TrimSpace(d.Text), []byte("{")) {
		return []Document{d}
	}
	var begins []int64
	end := int64(0)
	for decoder := json.NewDecoder(bytes.NewReader(d.Text)); decoder.More(); end = decoder.InputOffset() {
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return []Document{d} // YAML can start with a brace too
		}
		begins = append(begins, end)
	}
	if len(bytes.TrimSpace(d.Text[end:])) > 0 {
		return []Document{d}
	}
	out := make([]Document, len(begins))
	end = int64(len(d.Text))
	for i := len(begins) - 1; i >= 0; i-- {
		out[i] = Document{Text: d.Text[begins[i]:end], json: true}
		end = begins[i]
	}
	out[0].Lead = d.Lead
	return out
}

func (d Document) blank() bool { return len(bytes.TrimSpace(d.Text)) == 0 }

// Objects gives the objects of the document: one, those of a list, or none, as in a comment. The problems are what cannot
// be read.
func (d Document) Objects() ([]Object, []Problem) {
	content, err := decode(d.Text)
	if err != nil {
		return nil, []Problem{{d.Source, err}}
	}
	if content == nil {
		return nil, nil
	}
	return Object{Source: d.Source, Content: content}.items()
}

// items gives the objects of a List, or of one that is of a kind, whose items may leave out what the list says. Any other
// object is the only one.
func (o Object) items() (out []Object, problems []Problem) {
	list := &unstructured.Unstructured{Object: o.Content}
	if !list.IsList() || !strings.HasSuffix(list.GetKind(), "List") {
		return []Object{o}, nil
	}
	items, _ := list.Object["items"].([]any)
	for i, item := range items {
		at := Object{Source: fmt.Sprintf("%s: item %d", o.Source, i+1), Pointer: fmt.Sprintf("%s/items/%d", o.Pointer, i)}
		content, ok := item.(map[string]any)
		if !ok {
			problems = append(problems, Problem{at.Source, errors.New("this is not an object")})
			continue
		}
		if of := strings.TrimSuffix(list.GetKind(), "List"); of != "" && content["kind"] == nil && content["apiVersion"] == nil {
			content["kind"], content["apiVersion"] = of, list.GetAPIVersion()
		}
		at.Content = content
		below, lost := at.items()
		out, problems = append(out, below...), append(problems, lost...)
	}
	return out, problems
}
