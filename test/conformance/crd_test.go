package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// tables are the facts about the original CRDs.
var tables = []string{"appmesh-v1beta2.tsv", "flagger-v1beta1.tsv"}

// originals reads all kinds of all tables.
func originals(t *testing.T) []*Kind {
	t.Helper()
	var kinds []*Kind
	for _, name := range tables {
		file, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		more, err := ReadTable(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		kinds = append(kinds, more...)
	}
	if len(kinds) != 10 {
		t.Fatalf("the tables hold %d kinds, expected 7 of App Mesh and 3 of Flagger", len(kinds))
	}
	return kinds
}

// generated reads our CRDs by kind.
func generated(t *testing.T) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "crd", "*_*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no CRDs found (%v); run go generate ./pkg/api/...", err)
	}
	crds := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(data, crd); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		crds[crd.Spec.Names.Kind] = crd
	}
	return crds
}

func TestCRDsAreNotNarrowerThanTheOriginals(t *testing.T) {
	crds := generated(t)
	used := make([]bool, len(Exceptions))
	for _, original := range originals(t) {
		crd, ok := crds[original.Name]
		if !ok {
			t.Errorf("%s: no CRD", original.Name)
			continue
		}
		delete(crds, original.Name)
		mine, err := FromCRD(crd)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, difference := range Compare(original, mine) {
			i := slices.IndexFunc(Exceptions, func(e Exception) bool { return e.Covers(difference) })
			if i < 0 {
				t.Error(difference)
				continue
			}
			used[i] = true
		}
	}
	for kind := range crds {
		t.Errorf("%s: the tables do not know this kind", kind)
	}
	for i, exception := range Exceptions {
		if !used[i] {
			t.Errorf("the exception for %s of %s %s is not needed any more", exception.What, exception.Kind, exception.Path)
		}
	}
}

// TestUnknownFieldsAreKept holds the flag at every level: an API server prunes below an object that lacks it.
func TestUnknownFieldsAreKept(t *testing.T) {
	for kind, crd := range generated(t) {
		walk(kind, crd.Spec.Versions[0].Schema.OpenAPIV3Schema, func(path string, s *apiextensionsv1.JSONSchemaProps) {
			keeps := s.XPreserveUnknownFields != nil && *s.XPreserveUnknownFields
			if s.Type == "object" && s.AdditionalProperties == nil && !keeps && path != kind+".metadata" {
				t.Errorf("%s drops fields that it does not know", path)
			}
		})
	}
}

// TestEveryFieldIsDescribed is for kubectl explain.
func TestEveryFieldIsDescribed(t *testing.T) {
	for kind, crd := range generated(t) {
		root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		walkNamed(kind, root, func(path string, s *apiextensionsv1.JSONSchemaProps) {
			if s.Description == "" && path != kind+".metadata" {
				t.Errorf("%s has no description", path)
			}
		})
	}
}

func walk(path string, schema *apiextensionsv1.JSONSchemaProps, visit func(string, *apiextensionsv1.JSONSchemaProps)) {
	visit(path, schema)
	for name, property := range schema.Properties {
		walk(path+"."+name, &property, visit)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		walk(path+".*", schema.AdditionalProperties.Schema, visit)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		walk(path+"[]", schema.Items.Schema, visit)
	}
}

func walkNamed(path string, schema *apiextensionsv1.JSONSchemaProps, visit func(string, *apiextensionsv1.JSONSchemaProps)) {
	walk(path, schema, func(path string, s *apiextensionsv1.JSONSchemaProps) {
		for name, property := range s.Properties {
			visit(fmt.Sprintf("%s.%s", path, name), &property)
		}
	})
}
