package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/inject"
)

// Patched gives the text of the document with the operations done. What they leave alone is as it was: the order of
// fields, the spelling of values, and the comments, unless the document has anchors, whose text may be that of several
// places. Only blank lines and the width of indentation are not kept.
func (d Document) Patched(ops []inject.Op) ([]byte, error) {
	if d.json {
		return patchedJSON(d.Text, ops)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(d.Text, &root); err != nil {
		return nil, errors.New(oneLine(err))
	}
	if len(root.Content) != 1 {
		return nil, errors.New("the document is empty")
	}
	if d.Anchored() {
		text, err := sigsyaml.YAMLToJSON(d.Text)
		if err != nil {
			return nil, errors.New(oneLine(err))
		}
		if text, err = patchedJSON(text, ops); err != nil {
			return nil, err
		}
		return sigsyaml.JSONToYAML(text)
	}
	compact := isCompact(&root)
	for _, op := range ops {
		if err := edit(root.Content[0], op); err != nil {
			return nil, fmt.Errorf("%s %s: %w", op.Op, op.Path, err)
		}
	}
	return write(&root, compact)
}

// Anchored says that parts of the document stand for others, so that its comments cannot be kept.
func (d Document) Anchored() bool {
	var root yaml.Node
	return !d.json && yaml.Unmarshal(d.Text, &root) == nil && anchored(&root)
}

func anchored(n *yaml.Node) bool { return n.Anchor != "" || slices.ContainsFunc(n.Content, anchored) }

func patchedJSON(text []byte, ops []inject.Op) ([]byte, error) {
	raw, err := json.Marshal(ops)
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.DecodePatch(raw)
	if err != nil {
		return nil, err
	}
	out, err := patch.ApplyIndent(text, "  ")
	return append(out, '\n'), err
}

// isCompact says that the items of the document's lists stand below the name of the list, and not further right.
func isCompact(n *yaml.Node) bool {
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 {
		for i := 1; i < len(n.Content); i += 2 {
			if list := n.Content[i]; list.Kind == yaml.SequenceNode && list.Style&yaml.FlowStyle == 0 {
				return list.Column == n.Content[i-1].Column
			}
		}
	}
	return slices.ContainsFunc(n.Content, isCompact)
}

func write(root *yaml.Node, compact bool) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if compact {
		encoder.CompactSeqIndent()
	}
	if err := encoder.Encode(root); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// edit does one operation of a JSON patch.
func edit(node *yaml.Node, op inject.Op) error {
	segments := strings.Split(strings.TrimPrefix(op.Path, "/"), "/")
	for _, s := range segments[:len(segments)-1] {
		i, err := place(node, s)
		if err != nil {
			return err
		}
		node = node.Content[i]
	}
	var value *yaml.Node
	if op.Op != "remove" {
		var err error
		if value, err = nodeOf(op.Value); err != nil {
			return err
		}
	}
	last := segments[len(segments)-1]
	if node.Kind == yaml.MappingNode {
		return editMapping(node, last, value)
	}
	return editSequence(node, last, op.Op, value)
}

// place finds the value of a key, or the item of an index.
func place(node *yaml.Node, segment string) (int, error) {
	switch node.Kind {
	case yaml.MappingNode:
		key := unescape(segment)
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				return i + 1, nil
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(segment); err == nil && i >= 0 && i < len(node.Content) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("there is no %s", segment)
}

// editMapping sets the key, or takes it away if there is no value.
func editMapping(node *yaml.Node, segment string, value *yaml.Node) error {
	i, err := place(node, segment)
	switch {
	case value == nil && err != nil:
		return err
	case value == nil:
		node.Content = slices.Delete(node.Content, i-1, i+1)
	case err == nil:
		node.Content[i] = value
	default:
		key, err := nodeOf(unescape(segment))
		if err != nil {
			return err
		}
		node.Content = append(node.Content, key, value)
	}
	return nil
}

func editSequence(node *yaml.Node, segment, operation string, value *yaml.Node) error {
	if operation == "add" && segment == "-" {
		node.Content = append(node.Content, value)
		return nil
	}
	i, err := place(node, segment)
	if err != nil {
		return err
	}
	switch operation {
	case "add":
		node.Content = slices.Insert(node.Content, i, value)
	case "replace":
		node.Content[i] = value
	case "remove":
		node.Content = slices.Delete(node.Content, i, i+1)
	default:
		return fmt.Errorf("%q is no operation", operation)
	}
	return nil
}

func unescape(segment string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(segment)
}

// nodeOf writes a value as people write YAML. It goes through JSON, which is what the API server would get.
func nodeOf(value any) (*yaml.Node, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil { // JSON is YAML
		return nil, err
	}
	plain(root.Content[0])
	return root.Content[0], nil
}

// plain takes the marks of JSON off, where YAML can do without.
func plain(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.SetString(n.Value)
		// Text that would be read as something else, such as "true" or "yes", is quoted.
		var written yaml.Node
		if written.Encode(n.Value) == nil {
			n.Style = written.Style
		}
	}
	for _, child := range n.Content {
		plain(child)
	}
}
