package canary

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Kinds of tracked configuration.
const (
	kindConfigMap = "ConfigMap"
	kindSecret    = "Secret"
)

// AnnotationConfigTracking on a ConfigMap or Secret, set to disabled, takes it out of the tracking.
const AnnotationConfigTracking = "flagger.app/config-tracking"

// trackedSecretTypes are the types of Secrets that are copied. Others belong to a controller that would fill the copy or
// remove it.
var trackedSecretTypes = []string{"", "Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"}

// ConfigReference is a ConfigMap or a Secret that a pod template reads.
type ConfigReference struct {
	// Kind is ConfigMap or Secret.
	Kind string
	// Name of the object, in the namespace of the pods.
	Name string
	// Optional says that pods start without it.
	Optional bool
}

// Key names the object in status.trackedConfigs: "configmap/<name>" or "secret/<name>".
func (r ConfigReference) Key() string { return strings.ToLower(r.Kind) + "/" + r.Name }

// ConfigOfKey reads a key of status.trackedConfigs.
func ConfigOfKey(key string) ConfigReference {
	kind, name, _ := strings.Cut(key, "/")
	if kind == strings.ToLower(kindSecret) {
		return ConfigReference{Kind: kindSecret, Name: name}
	}
	return ConfigReference{Kind: kindConfigMap, Name: name}
}

// ConfigReferences lists what a pod template reads, each object once, by key: in volumes, projected ones too, and in the
// environment of containers and init containers. An object is optional if every reference to it is.
func ConfigReferences(template map[string]any) []ConfigReference {
	found := map[string]ConfigReference{}
	eachConfigReference(template, func(kind, field string, ref map[string]any) {
		r := ConfigReference{Kind: kind}
		if r.Name, _ = ref[field].(string); r.Name == "" {
			return
		}
		r.Optional, _ = ref["optional"].(bool)
		if before, ok := found[r.Key()]; ok {
			r.Optional = r.Optional && before.Optional
		}
		found[r.Key()] = r
	})
	out := make([]ConfigReference, 0, len(found))
	for _, key := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[key])
	}
	return out
}

// eachConfigReference calls visit for every place that names a ConfigMap or Secret; the name is ref[field].
func eachConfigReference(template map[string]any, visit func(kind, field string, ref map[string]any)) {
	visitIn := func(parent any, kind, key, field string) {
		if m, ok := parent.(map[string]any); ok {
			if ref, ok := m[key].(map[string]any); ok {
				visit(kind, field, ref)
			}
		}
	}
	spec := dig(template, "spec")
	for _, volume := range items(spec["volumes"]) {
		visitIn(volume, kindConfigMap, "configMap", "name")
		visitIn(volume, kindSecret, "secret", "secretName")
		v, _ := volume.(map[string]any)
		for _, source := range items(dig(v, "projected")["sources"]) {
			visitIn(source, kindConfigMap, "configMap", "name")
			visitIn(source, kindSecret, "secret", "name")
		}
	}
	for _, list := range []string{"initContainers", "containers"} {
		for _, c := range items(spec[list]) {
			container, _ := c.(map[string]any)
			for _, from := range items(container["envFrom"]) {
				visitIn(from, kindConfigMap, "configMapRef", "name")
				visitIn(from, kindSecret, "secretRef", "name")
			}
			for _, e := range items(container["env"]) {
				variable, _ := e.(map[string]any)
				visitIn(variable["valueFrom"], kindConfigMap, "configMapKeyRef", "name")
				visitIn(variable["valueFrom"], kindSecret, "secretKeyRef", "name")
			}
		}
	}
}

// redirectConfigs makes a pod template read the primary's copies: names maps keys of sources to the names of copies.
func redirectConfigs(template map[string]any, names map[string]string) {
	eachConfigReference(template, func(kind, field string, ref map[string]any) {
		name, _ := ref[field].(string)
		if to, ok := names[ConfigReference{Kind: kind, Name: name}.Key()]; ok {
			ref[field] = to
		}
	})
}

// ConfigTracked tells whether a ConfigMap or Secret is tracked, by its annotations and, for a Secret, its type.
func ConfigTracked(annotations map[string]string, secretType string) bool {
	return !strings.HasPrefix(annotations[AnnotationConfigTracking], "disable") && slices.Contains(trackedSecretTypes, secretType)
}

// ConfigHash names the content of a ConfigMap or Secret: 16 hexadecimal digits, Flagger's own for what Flagger copies.
// Flagger forgets binaryData, so with it there is a hash that Flagger does not know.
func ConfigHash(object map[string]any) string {
	h := sha256.New()
	h.Write(textOf(object["data"]))
	if binary, ok := object["binaryData"].(map[string]any); ok && len(binary) > 0 {
		h.Write(textOf(binary))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// FlaggerConfigHash is the hash that Flagger has for a ConfigMap or Secret.
func FlaggerConfigHash(object map[string]any) string {
	return ConfigHash(map[string]any{"data": object["data"]})
}

// textOf is JSON with sorted keys; null for nothing.
func textOf(data any) []byte {
	if m, ok := data.(map[string]any); ok && len(m) > 0 {
		if b, err := json.Marshal(m); err == nil { // strings always encode
			return b
		}
	}
	return []byte("null")
}

// ConfigCopy builds the primary's copy of a ConfigMap or Secret. Owner references are the shell's.
func ConfigCopy(source map[string]any, name string, labelPrefixes []string) map[string]any {
	meta := dig(source, "metadata")
	out := map[string]any{
		"apiVersion": source["apiVersion"], "kind": source["kind"],
		"metadata": map[string]any{
			"name": name, "namespace": meta["namespace"],
			"labels": prefixed(copied(meta["labels"]), labelPrefixes), "annotations": copied(meta["annotations"]),
		},
	}
	for _, field := range []string{"data", "binaryData", "type"} {
		if v, ok := source[field]; ok {
			out[field] = v
		}
	}
	return out
}

// CopyOwnership is what is known of the two names that a copy can have.
type CopyOwnership struct {
	// ShortTaken says that <name>-primary exists and is not this Canary's.
	ShortTaken bool
	// LongOurs says that <name>-<target>-primary exists and is this Canary's.
	LongOurs bool
}

// ConfigCopyName is the name of the primary's copy of a ConfigMap or Secret: <name>-primary, as with Flagger. Where two
// Canaries read the same source the second gets a copy of its own, and keeps it: what one of them promotes must not reach
// the users of the other.
func ConfigCopyName(source, target string, o CopyOwnership) (name string) {
	if o.ShortTaken || o.LongOurs {
		return LongConfigCopyName(source, target)
	}
	return source + "-primary"
}

// LongConfigCopyName is the name of a copy whose short name is taken.
func LongConfigCopyName(source, target string) string { return source + "-" + target + "-primary" }
