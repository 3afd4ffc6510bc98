package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json" // whole numbers stay whole
	"sigs.k8s.io/yaml"
)

// decode gives what is in a document. A comment is a document without an object, and gives nil.
func decode(text []byte) (map[string]any, error) {
	if !json.Valid(text) {
		converted, err := yaml.YAMLToJSON(text)
		if err != nil {
			return nil, errors.New(oneLine(err))
		}
		text = converted
	}
	if string(text) == "null" {
		return nil, nil
	}
	var object map[string]any
	if err := utiljson.Unmarshal(text, &object); err != nil {
		return nil, fmt.Errorf("this is not an object: %s", oneLine(err))
	}
	return object, nil
}

// oneLine keeps a problem a line; errors of YAML can have several.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
