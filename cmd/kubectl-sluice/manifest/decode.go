package manifest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json" // whole numbers stay whole
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// split cuts a file into its YAML documents, so that one that is broken costs itself alone.
func split(text []byte) [][]byte {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var out [][]byte
	for {
		doc, err := reader.Read()
		if err != nil {
			// Reading memory ends in nothing but the end.
			return out
		}
		if len(bytes.TrimSpace(doc)) > 0 {
			out = append(out, doc)
		}
	}
}

// decode gives the objects of a document: one of YAML, or any number of JSON, as kubectl prints them one after the
// other. A comment is a document without objects.
func decode(doc []byte) ([]map[string]any, error) {
	if bytes.HasPrefix(bytes.TrimSpace(doc), []byte("{")) {
		if objects, err := decodeJSON(doc); err == nil {
			return objects, nil
		}
		// YAML can start with a brace too.
	}
	text, err := yaml.YAMLToJSON(doc)
	if err != nil {
		return nil, errors.New(oneLine(err))
	}
	if string(text) == "null" {
		return nil, nil
	}
	object, err := decodeObject(text)
	if err != nil {
		return nil, err
	}
	return []map[string]any{object}, nil
}

func decodeJSON(doc []byte) ([]map[string]any, error) {
	var out []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(doc))
	for {
		var text json.RawMessage
		err := decoder.Decode(&text)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		object, err := decodeObject(text)
		if err != nil {
			return nil, err
		}
		out = append(out, object)
	}
}

func decodeObject(text []byte) (map[string]any, error) {
	var object map[string]any
	if err := utiljson.Unmarshal(text, &object); err != nil {
		return nil, fmt.Errorf("this is not an object: %s", oneLine(err))
	}
	return object, nil
}

// oneLine keeps a problem a line; errors of YAML can have several.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
