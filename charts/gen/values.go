package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// value is a line of values.yaml: where it is, what it is by default, and what its comment says.
type value struct {
	path, fallback, about string
}

// schemaMark begins the line of a comment that says of the schema what the default does not show.
const schemaMark = "schema:"

// Marks in README.md between which the table of values is written.
const (
	tableBegin = "<!-- values: made by `make generate` -->\n"
	tableEnd   = "<!-- end of values -->\n"
)

// document writes values.schema.json and the table in README.md, both from values.yaml and ignored.yaml.
func document(chart string) error {
	root, err := mapping(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return err
	}
	ignored, err := mapping(filepath.Join(chart, "ignored.yaml"))
	if err != nil {
		return err
	}
	var values []value
	schema, err := describe(root, "", &values)
	if err != nil {
		return err
	}
	for i := 0; i < len(ignored.Content); i += 2 {
		accept(schema, strings.Split(ignored.Content[i].Value, "."), ignored.Content[i+1].Value)
	}
	// Helm itself writes here what all charts get.
	accept(schema, []string{"global"}, "values that all charts of a release share")
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return fmt.Errorf("write the schema: %w", err)
	}
	if err := os.WriteFile(filepath.Join(chart, "values.schema.json"), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the schema: %w", err)
	}
	return table(filepath.Join(chart, "README.md"), values, ignored)
}

func mapping(file string) (*yaml.Node, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read values: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return document.Content[0], nil
}

// describe makes the schema of a mapping, and lists its values. A mapping that is empty by default takes any keys; one with
// keys takes no others, so that a misspelt value is an error and never silence.
func describe(node *yaml.Node, prefix string, values *[]value) (map[string]any, error) {
	properties := map[string]any{}
	for i := 0; i < len(node.Content); i += 2 {
		key, child := node.Content[i], node.Content[i+1]
		path := prefix + key.Value
		about, extra, err := comment(key.HeadComment)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		var property map[string]any
		if child.Kind == yaml.MappingNode && len(child.Content) > 0 {
			if property, err = describe(child, path+".", values); err != nil {
				return nil, err
			}
		} else {
			property = map[string]any{"type": kinds[child.Tag]}
			fallback, err := yaml.Marshal(child)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			*values = append(*values, value{path: path, about: about, fallback: strings.TrimSpace(string(fallback))})
		}
		if _, other := extra["enum"]; other {
			delete(property, "type")
		}
		maps.Copy(property, extra)
		if about != "" {
			property["description"] = about
		}
		properties[key.Value] = property
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}, nil
}

// kinds is what JSON Schema calls the types of YAML. null says nothing: a comment has to.
var kinds = map[string]string{
	"!!str": "string", "!!bool": "boolean", "!!int": "integer", "!!float": "number", "!!map": "object", "!!seq": "array", "!!null": "null",
}

// comment takes a comment apart: its last paragraph without marks, and what its line "schema:" says.
func comment(text string) (about string, extra map[string]any, err error) {
	paragraphs := strings.Split(text, "\n\n")
	var lines []string
	for line := range strings.SplitSeq(paragraphs[len(paragraphs)-1], "\n") {
		line = strings.TrimSpace(strings.TrimPrefix(line, "#"))
		if rest, ok := strings.CutPrefix(line, schemaMark); ok {
			if err := yaml.Unmarshal([]byte(rest), &extra); err != nil {
				return "", nil, fmt.Errorf("its line %s: %w", schemaMark, err)
			}
			continue
		}
		lines = append(lines, line)
	}
	return strings.TrimSpace(strings.Join(lines, " ")), extra, nil
}

// accept lets the schema take a value that has no effect.
func accept(schema map[string]any, path []string, why string) {
	properties := schema["properties"].(map[string]any)
	if len(path) == 1 {
		properties[path[0]] = map[string]any{"description": "No effect: " + why + "."}
		return
	}
	if properties[path[0]] == nil {
		properties[path[0]] = map[string]any{"type": "object", "properties": map[string]any{}}
	}
	accept(properties[path[0]].(map[string]any), path[1:], why)
}

// table rewrites what is between the marks of a page.
func table(file string, values []value, ignored *yaml.Node) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	before, rest, begun := bytes.Cut(page, []byte(tableBegin))
	_, after, ended := bytes.Cut(rest, []byte(tableEnd))
	if !begun || !ended {
		return fmt.Errorf("%s has no place for the table: %q to %q", file, tableBegin, tableEnd)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(tableBegin + "\n| value | default | what |\n|---|---|---|\n")
	for _, v := range values {
		fmt.Fprintf(&out, "| `%s` | `%s` | %s |\n", v.path, v.fallback, strings.ReplaceAll(v.about, "|", "\\|"))
	}
	out.WriteString("\nThese values of the two charts are accepted and have no effect:\n\n| value | why |\n|---|---|\n")
	for pair := range slices.Chunk(ignored.Content, 2) {
		fmt.Fprintf(&out, "| `%s` | %s |\n", pair[0].Value, pair[1].Value)
	}
	out.WriteString("\n" + tableEnd)
	out.Write(after)
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
