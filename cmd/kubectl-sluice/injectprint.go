package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/manifest"
	"github.com/sluice-mesh/sluice/pkg/inject"
)

// injectPrinter prints documents, one after the other, with the proxies in them.
type injectPrinter struct {
	*shell
	injector  injector
	namespace string
	output    string
	// ok turns false with the first thing that is not as it should be.
	ok bool
	// told are the namespaces whose labels were made up.
	told []string
	// begun says that something was printed, open that its last line has no end yet.
	begun, open bool
}

func (p *injectPrinter) print(d manifest.Document) error {
	objects, _ := d.Objects() // what cannot be read was told
	var ops []inject.Op
	for _, o := range objects {
		ops = append(ops, p.workload(d, o)...)
	}
	text := d.Text
	if len(ops) > 0 {
		patched, err := d.Patched(ops)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Source, err)
		}
		text = patched
	}
	if p.output != "" {
		return p.convert(text)
	}
	return p.write(slices.Concat(p.between(d), d.Lead, text))
}

// between is what separates a file from the one before.
func (p *injectPrinter) between(d manifest.Document) []byte {
	var out []byte
	if !d.First || !p.begun {
		return nil
	}
	if p.open {
		out = append(out, '\n')
	}
	if len(d.Lead) == 0 {
		out = append(out, "---\n"...)
	}
	return out
}

func (p *injectPrinter) write(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	p.begun, p.open = true, text[len(text)-1] != '\n'
	_, err := p.Out.Write(text)
	return err
}

// workload says what becomes of an object, and returns what is done to the document for it.
func (p *injectPrinter) workload(d manifest.Document, o manifest.Object) []inject.Op {
	u := &unstructured.Unstructured{Object: o.Content}
	kind, is := workloadOf(u.GroupVersionKind().GroupKind())
	if !is {
		return nil
	}
	if u.GetNamespace() == "" {
		u.SetNamespace(p.namespace)
	}
	a, err := p.injector.answer(u)
	if err != nil {
		p.ok = false
		p.line(red, "error", fmt.Sprintf("%s: %v", a.object(), err))
		return nil
	}
	p.tell(a)
	if len(a.ops) == 0 {
		return nil
	}
	if d.Anchored() {
		p.warn(fmt.Sprintf("%s: comments of this document are lost, because it has anchors (&), which may stand for parts of several objects", a.object()))
	}
	return placed(a.ops, o.Pointer, kind, o.Content)
}

// placed moves the operations from the pod to where its template is in the document.
func placed(ops []inject.Op, pointer string, kind workloadKind, content map[string]any) []inject.Op {
	prefix := pointer
	for _, segment := range kind.template {
		prefix += "/" + segment
	}
	var out []inject.Op
	if _, ok, _ := unstructured.NestedMap(content, append(slices.Clone(kind.template), "metadata")...); !ok {
		out = append(out, inject.Op{Op: "add", Path: prefix + "/metadata", Value: map[string]any{}})
	}
	for _, op := range ops {
		op.Path = prefix + op.Path
		out = append(out, op)
	}
	return out
}

// tell says on standard error what became of a workload.
func (p *injectPrinter) tell(a injection) {
	if p.injector.assumed != nil && p.injector.assumed(a.Namespace) && !slices.Contains(p.told, a.Namespace) {
		p.told = append(p.told, a.Namespace)
		p.note(fmt.Sprintf("Namespace/%s: no file has it, so it is taken to be labelled enabled", a.Namespace))
	}
	if a.Outcome == outcomeRefused {
		p.ok = false
		p.line(red, "error", fmt.Sprintf("%s: refused: %s", a.object(), a.why()))
		return
	}
	p.note(fmt.Sprintf("%s: %s: %s", a.object(), a.Outcome, a.why()))
	for _, w := range a.warnings {
		p.warn(a.object() + ": " + w)
	}
}

// convert prints a document in the form that was asked for. Documents of comments alone have none.
func (p *injectPrinter) convert(text []byte) error {
	value, err := yaml.YAMLToJSON(text)
	if err != nil || strings.TrimSpace(string(value)) == "null" {
		return nil // what cannot be read was told
	}
	if p.output == "yaml" {
		if value, err = yaml.JSONToYAML(value); err != nil {
			return err
		}
		return p.write(append([]byte("---\n"), value...))
	}
	var out bytes.Buffer
	if err := json.Indent(&out, value, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	return p.write(out.Bytes())
}
