package notify

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/rand"
)

// Payload is the body of every hook, field by field what Flagger sends.
type Payload struct {
	// Name and Namespace are those of the Canary.
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	// Phase is the phase that the hook belongs to, which is not always the one in the Canary's status.
	Phase string `json:"phase"`
	// Checksum is the same for every call about one revision; see Checksum.
	Checksum string `json:"checksum"`
	// Metadata is copied from the hook's spec.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Checksum identifies the revision that a hook is called for: the applied pod template and the configuration it reads.
// Receivers use it as an opaque key, so that they can tell a repeated call from a new release.
func Checksum(lastAppliedSpec string, trackedConfigs map[string]string) string {
	// A struct with strings and a map of strings always marshals, and its keys come out sorted.
	text, _ := json.Marshal(struct {
		Spec    string
		Configs map[string]string
	}{lastAppliedSpec, trackedConfigs})
	sum := fnv.New32a()
	sum.Write(text)
	return rand.SafeEncodeString(fmt.Sprint(sum.Sum32()))
}

// Happened returns the metadata of an event hook: the event, and whatever the hook's spec adds that does not hide it.
func Happened(message, eventType string, at time.Time, own map[string]string) map[string]string {
	metadata := make(map[string]string, len(own)+3)
	maps.Copy(metadata, own)
	metadata["eventMessage"] = message
	metadata["eventType"] = eventType
	metadata["timestamp"] = strconv.FormatInt(at.UnixMilli(), 10)
	return metadata
}
