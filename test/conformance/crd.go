package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// FromCRD states a CRD as facts. Only CRDs of a single version are expected.
func FromCRD(crd *apiextensionsv1.CustomResourceDefinition) (*Kind, error) {
	if n := len(crd.Spec.Versions); n != 1 {
		return nil, fmt.Errorf("%s has %d versions, expected 1", crd.Name, n)
	}
	version := crd.Spec.Versions[0]
	kind := &Kind{
		Name: crd.Spec.Names.Kind,
		About: map[string]string{
			"apiVersion":   crd.Spec.Group + "/" + version.Name,
			"plural":       crd.Spec.Names.Plural,
			"scope":        strings.ToLower(string(crd.Spec.Scope)),
			"shortNames":   strings.Join(crd.Spec.Names.ShortNames, ","),
			"categories":   strings.Join(crd.Spec.Names.Categories, ","),
			"served":       fmt.Sprint(version.Served),
			"storage":      fmt.Sprint(version.Storage),
			"subresources": subresources(version.Subresources),
		},
		Fields: map[string]Field{},
	}
	for _, c := range version.AdditionalPrinterColumns {
		kind.Columns = append(kind.Columns, fmt.Sprintf("%s\t%s\t%s\tpriority=%d", c.Name, c.JSONPath, c.Type, c.Priority))
	}
	root := version.Schema.OpenAPIV3Schema
	for _, name := range []string{"spec", "status"} {
		if schema, ok := root.Properties[name]; ok {
			kind.add(name, &schema, slices.Contains(root.Required, name))
		}
	}
	return kind, nil
}

func subresources(s *apiextensionsv1.CustomResourceSubresources) string {
	var names []string
	if s != nil && s.Status != nil {
		names = append(names, "status")
	}
	if s != nil && s.Scale != nil {
		names = append(names, "scale")
	}
	return strings.Join(names, ",")
}

func (k *Kind) add(path string, schema *apiextensionsv1.JSONSchemaProps, required bool) {
	field := Field{Type: schema.Type, Required: required, Limits: limits(schema)}
	if schema.XIntOrString {
		field.Type = "any"
	}
	k.Fields[path] = field
	for name, property := range schema.Properties {
		k.add(path+"."+name, &property, slices.Contains(schema.Required, name))
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		k.add(path+".*", schema.AdditionalProperties.Schema, false)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		k.add(path+"[]", schema.Items.Schema, false)
	}
}

func limits(schema *apiextensionsv1.JSONSchemaProps) map[string]string {
	out := map[string]string{}
	add := func(key string, value *int64) {
		if value != nil {
			out[key] = fmt.Sprint(*value)
		}
	}
	addFloat := func(key string, value *float64) {
		if value != nil {
			out[key] = fmt.Sprint(*value)
		}
	}
	addFloat("minimum", schema.Minimum)
	addFloat("maximum", schema.Maximum)
	add("minLength", schema.MinLength)
	add("maxLength", schema.MaxLength)
	add("minItems", schema.MinItems)
	add("maxItems", schema.MaxItems)
	if schema.Pattern != "" {
		out["pattern"] = schema.Pattern
	}
	if schema.Format != "" {
		out["format"] = schema.Format
	}
	if schema.Default != nil {
		out["default"] = plain(schema.Default.Raw)
	}
	if len(schema.Enum) > 0 {
		values := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			values[i] = plain(value.Raw)
		}
		out["enum"] = strings.Join(values, "|")
	}
	if n := len(schema.OneOf) + len(schema.AnyOf) + len(schema.AllOf); n > 0 && !schema.XIntOrString || schema.Not != nil {
		out["oneOf"] = fmt.Sprint(n)
	}
	for _, rule := range schema.XValidations {
		out["rule"] = rule.Rule
	}
	return out
}

// plain is a JSON value as the tables spell it: strings without quotes.
func plain(raw []byte) string {
	var text string
	if err := json.Unmarshal(raw, &text); err == nil {
		return text
	}
	return string(raw)
}
