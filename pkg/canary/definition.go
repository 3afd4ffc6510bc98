package canary

import "strings"

// OwnFields are those, by kind, that this process reads or writes and that the definitions of Flagger and of App Mesh's
// controller do not have. With such a definition the API server drops them in silence: a release would forget at every step
// that it has begun. A path goes through the items of a list by "[]".
var OwnFields = map[string][]string{
	"Canary":        {"spec.analysis.gate", "status.rollout", "status.observedGeneration", "status.lastRequest"},
	"VirtualRouter": {"spec.routes[].httpRoute.action.mirror", "spec.routes[].httpRoute.action.setCookies"},
}

// Dropped lists the fields that an API server with this schema, as its OpenAPI document has it, would not keep.
func Dropped(schema map[string]any, fields []string) (dropped []string) {
	for _, field := range fields {
		if !keeps(schema, strings.Split(strings.ReplaceAll(field, "[]", ".[]"), ".")) {
			dropped = append(dropped, field)
		}
	}
	return dropped
}

func keeps(schema map[string]any, path []string) bool {
	if len(path) == 0 || schema["x-kubernetes-preserve-unknown-fields"] == true {
		return true
	}
	if path[0] == "[]" {
		items, ok := schema["items"].(map[string]any)
		return ok && keeps(items, path[1:])
	}
	properties, _ := schema["properties"].(map[string]any)
	next, ok := properties[path[0]].(map[string]any)
	return ok && keeps(next, path[1:])
}
