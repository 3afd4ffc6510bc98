package canary

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// revisionLength is the length of a Revision in characters. It is longer than any hash that Flagger writes into
// status.lastAppliedSpec (at most 10), which is how a Canary that Flagger left behind is recognised.
const revisionLength = 16

// Revision names a pod template by its content. The argument is its JSON, the result 16 hexadecimal digits.
//
// It is stable: the order of keys, spaces, nulls and empty maps and lists do not matter, and no Go type takes part,
// so that neither an upgrade of Kubernetes nor one of ours starts a rollout. metadata.creationTimestamp, which old
// clients write into templates, is ignored. Text that is not JSON is hashed as it is.
func Revision(template []byte) string {
	var v any
	dec := json.NewDecoder(bytes.NewReader(template))
	dec.UseNumber()
	content := template
	if dec.Decode(&v) == nil {
		if m, ok := v.(map[string]any); ok {
			if meta, ok := m["metadata"].(map[string]any); ok {
				delete(meta, "creationTimestamp")
			}
		}
		if b, err := json.Marshal(prune(v)); err == nil {
			content = b
		}
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])[:revisionLength]
}

// withConfigs names a pod template together with the configuration that it reads, where that is tracked.
func withConfigs(revision string, configs map[string]string) string {
	if len(configs) == 0 {
		return revision
	}
	h := sha256.New()
	fmt.Fprintln(h, revision)
	for _, key := range slices.Sorted(maps.Keys(configs)) {
		fmt.Fprintln(h, key, configs[key])
	}
	return hex.EncodeToString(h.Sum(nil))[:revisionLength]
}

// prune removes what means nothing: nulls, empty lists, and the empty maps that clients write for nothing.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			e = prune(e)
			if !isNothing(k, e) {
				out[k] = e
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = prune(e)
		}
		return out
	}
	return v
}

func isNothing(key string, v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0 && emptyIsNothing[key]
	}
	return false
}

// emptyIsNothing lists the keys whose empty object says no more than its absence. For others it does:
// emptyDir: {} chooses a kind of volume, labelSelector: {} selects everything where absence selects nothing.
var emptyIsNothing = map[string]bool{
	"metadata": true, "labels": true, "annotations": true,
	"resources": true, "limits": true, "requests": true, "securityContext": true,
}

// isOurs tells whether a hash in a status was written by Revision.
func isOurs(hash string) bool {
	return len(hash) == revisionLength && strings.Trim(hash, "0123456789abcdef") == ""
}

// revisionName is the name of the ControllerRevision that keeps a revision of a Canary.
func revisionName(canary, revision string) string {
	return fmt.Sprintf("%s-%s", canary, revision)
}
