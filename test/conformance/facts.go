package conformance

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Kind is what a CRD says about one kind.
type Kind struct {
	// Name of the kind.
	Name string
	// About is everything of the CRD but its columns and its schema, as key and value: apiVersion, plural, scope,
	// shortNames, categories, served, storage, subresources.
	About map[string]string
	// Columns that kubectl get prints, in order, as in the table: name, JSON path, type, priority.
	Columns []string
	// Fields by path.
	Fields map[string]Field
	// Order of the paths in the table; empty if the kind was not read from a table.
	Order []string
}

// Field is what a schema says about one field.
type Field struct {
	// Type is that of the schema, or "any" for int-or-string.
	Type string
	// Required says that the object that holds the field must have it.
	Required bool
	// Limits are the schema's other statements, by the name that OpenAPI gives them.
	Limits map[string]string
}

// ReadTable reads kinds from a table of facts.
func ReadTable(r io.Reader) ([]*Kind, error) {
	var kinds []*Kind
	scanner := bufio.NewScanner(r)
	for n := 1; scanner.Scan(); n++ {
		line := scanner.Text()
		if rest, ok := strings.CutPrefix(line, "# "); ok && !strings.HasPrefix(rest, "column ") {
			kind, err := readKind(rest)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			kinds = append(kinds, kind)
			continue
		}
		if len(kinds) == 0 {
			return nil, fmt.Errorf("line %d: no kind yet", n)
		}
		kind := kinds[len(kinds)-1]
		if column, ok := strings.CutPrefix(line, "# column "); ok {
			kind.Columns = append(kind.Columns, column)
			continue
		}
		path, field := readField(line)
		kind.Fields[path] = field
		kind.Order = append(kind.Order, path)
	}
	return kinds, scanner.Err()
}

func readKind(line string) (*Kind, error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return nil, fmt.Errorf("a kind needs a name and an API version: %q", line)
	}
	kind := &Kind{Name: words[0], About: map[string]string{"apiVersion": words[1]}, Fields: map[string]Field{}}
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		kind.About[key] = strings.ToLower(value)
	}
	return kind, nil
}

func readField(line string) (string, Field) {
	columns := append(strings.Split(line, "\t"), "", "", "")
	field := Field{Type: columns[1], Required: columns[2] == "required", Limits: map[string]string{}}
	for _, limit := range strings.Split(columns[3], " ") {
		key, value, ok := strings.Cut(limit, "=")
		if ok {
			field.Limits[key] = value
		}
	}
	return columns[0], field
}
