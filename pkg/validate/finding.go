package validate

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Severity says what becomes of a request with a finding.
type Severity string

const (
	// Warn lets the request through and tells its author.
	Warn Severity = "Warning"
	// Deny refuses the request. It is for what is certain to break, given what our engine does.
	Deny Severity = "Denied"
)

// Finding is what one rule says about one field.
type Finding struct {
	// Rule is the id in the table of rules.
	Rule string
	// Severity says whether the request is refused.
	Severity Severity
	// Path of the field, as in spec.analysis.stepWeight.
	Path string
	// Message is the whole line that people see.
	Message string
}

// String is the line that people see.
func (f Finding) String() string { return f.Message }

// Denied returns the messages of the findings that refuse the request.
func Denied(findings []Finding) []string { return messages(findings, Deny) }

// Warnings returns the messages of the findings that let it through.
func Warnings(findings []Finding) []string { return messages(findings, Warn) }

func messages(findings []Finding, severity Severity) []string {
	var lines []string
	for _, finding := range findings {
		if finding.Severity == severity {
			lines = append(lines, finding.Message)
		}
	}
	return lines
}

// problem is what a rule's function returns; the evaluation makes a Finding of it.
type problem struct {
	path     *field.Path
	severity Severity
	text     string
}

// finding completes a problem with its rule. App Mesh's sentences stand alone, as they always did.
func (p problem) finding(id string) Finding {
	path := p.path.String()
	message := path + ": " + id + ": " + p.text
	if strings.HasPrefix(id, appMeshPrefix) {
		message = p.text
	}
	return Finding{Rule: id, Severity: p.severity, Path: path, Message: message}
}

// one is a single problem.
func one(path *field.Path, severity Severity, format string, args ...any) []problem {
	return []problem{{path, severity, sprintf(format, args...)}}
}

// atStart is for what may still come right before it matters: it is told at apply and when the cluster is looked
// through, and refused when a rollout starts.
func (w World) atStart() Severity {
	if w.At == RolloutStart {
		return Deny
	}
	return Warn
}

// sprintf is short, because sentences are long.
var sprintf = fmt.Sprintf
