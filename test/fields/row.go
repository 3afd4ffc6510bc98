package fields

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Row is a field of a kind. test/conformance holds the CRDs, and so the rows, against the originals.
type Row struct {
	Kind string
	// Path has [] for the items of a list and * for the keys of a map.
	Path string
	Type string
	// Enum holds the values of a closed set.
	Enum []string
	// Description is what the API says of it.
	Description string
}

func (r Row) String() string { return r.Kind + " " + r.Path }

// schema is the part of OpenAPI that rows are made of.
type schema struct {
	Type                 string             `json:"type"`
	Description          string             `json:"description"`
	Enum                 []string           `json:"enum"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties *schema            `json:"additionalProperties"`
	Items                *schema            `json:"items"`
}

// Rows reads the fields of all kinds of a family from our CRDs. root is the top of the repository. An object comes before
// its fields, and otherwise the order is that of names.
func Rows(root string, family Family) ([]Row, error) {
	files, err := filepath.Glob(filepath.Join(root, "config", "crd", family.Group+"_*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no CRDs in %s/config/crd (%w)", root, err)
	}
	var rows []Row
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read a CRD: %w", err)
		}
		var crd struct {
			Spec struct {
				Names    struct{ Kind string }
				Versions []struct {
					Schema struct{ OpenAPIV3Schema schema }
				}
			}
		}
		if err := yaml.Unmarshal(text, &crd); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, part := range []string{"spec", "status"} {
			if s := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties[part]; s != nil {
				rows = s.rows(rows, crd.Spec.Names.Kind, part)
			}
		}
	}
	return rows, nil
}

func (s *schema) rows(rows []Row, kind, path string) []Row {
	rows = append(rows, Row{Kind: kind, Path: path, Type: s.Type, Enum: s.Enum, Description: s.Description})
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		rows = s.Properties[name].rows(rows, kind, path+"."+name)
	}
	if s.AdditionalProperties != nil {
		rows = s.AdditionalProperties.rows(rows, kind, path+".*")
	}
	if s.Items != nil {
		rows = s.Items.rows(rows, kind, path+"[]")
	}
	return rows
}

// Below says whether path is a field or an item of what is at top.
func Below(path, top string) bool {
	return strings.HasPrefix(path, top+".") || strings.HasPrefix(path, top+"[")
}
