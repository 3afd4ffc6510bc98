package mesh

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Refusal is a part of its configuration that the Envoy of one pod does not take. It keeps what it had in its place.
type Refusal struct {
	// Pod is namespace/name.
	Pod string
	// Resource is the name of Envoy's object.
	Resource string
	// Message is Envoy's sentence.
	Message string
	// Objects are those that the refused part was made from.
	Objects []ObjectRef
}

// maxEnvoySentence keeps a condition readable: Envoy may quote the whole resource.
const maxEnvoySentence = 300

// Refused turns what the pods' Envoys refuse into problems of the objects it was made from, sorted: one for each object
// and resource, however many pods refuse it.
func Refused(refusals []Refusal) []Problem {
	type subject struct {
		object   ObjectRef
		resource string
	}
	pods, messages := map[subject]map[string]bool{}, map[subject]string{}
	for _, r := range refusals {
		for _, object := range r.Objects {
			s := subject{object, r.Resource}
			if pods[s] == nil {
				pods[s], messages[s] = map[string]bool{}, r.Message
			}
			pods[s][r.Pod] = true
			// The first of all, so that the order in which pods are listed does not change the condition.
			messages[s] = min(messages[s], r.Message)
		}
	}
	var out []Problem
	for s := range pods {
		out = append(out, Problem{Object: s.object, Reason: ReasonProxyRejected, Blocking: true, Err: field.Forbidden(specPath, fmt.Sprintf(
			"the Envoys of %s refuse %s and keep what they had before: %s", counted(len(pods[s]), "pod"), s.resource, sentence(messages[s])))})
	}
	slices.SortFunc(out, Problem.Compare)
	return out
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// sentence makes one line of Envoy's words, and not too long a one.
func sentence(message string) string {
	line := strings.Join(strings.Fields(message), " ")
	if runes := []rune(line); len(runes) > maxEnvoySentence {
		line = string(runes[:maxEnvoySentence]) + " (and more)"
	}
	return line
}
