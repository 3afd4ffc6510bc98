package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// Task types that this load tester runs, as metadata.type spells them.
const (
	typeCmd  = "cmd"
	typeBash = "bash"
)

// droppedTypes are those of Flagger's load tester that this one does not run, and what to do instead.
var droppedTypes = map[string]string{
	"helm":     "helm test would need a service account that may do all that the chart does; run it in a Job, and let a pre-rollout hook of the type bash ask how it went",
	"helmv3":   "helm test would need a service account that may do all that the chart does; run it in a Job, and let a pre-rollout hook of the type bash ask how it went",
	"kubectl":  "kubectl would need a service account with rights in the cluster; answer the hook from a service that has just the rights it needs",
	"concord":  "answer the hook from a service that asks Concord: 200 to pass, 403 to refuse",
	"ngrinder": "start the test by curl, in a task of the type bash, against nGrinder's REST API",
	"tekton":   "start the pipeline by curl, in a task of the type bash, against its EventListener",
}

// payload is the body of a Canary's webhook.
type payload struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Phase     string            `json:"phase"`
	Metadata  map[string]string `json:"metadata"`
}

// canary is how logs and gates spell the sender.
func (p payload) canary() string { return p.Name + "." + p.Namespace }

// task is one command to run.
type task struct {
	canary   string
	shell    string // sh or bash
	command  string
	blocking bool // the caller waits for the end
	log      bool // print the output
	answer   bool // return the output to the caller
}

var (
	// errForbidden marks a sender whose namespace may not run tasks here.
	errForbidden = errors.New("forbidden")
	errNoMeta    = errors.New("metadata not found in payload")
	errNoCommand = errors.New("cmd not found in metadata")
)

// parseTask says what a payload asks for, or why it cannot be had.
func parseTask(p payload, namespaces *regexp.Regexp) (task, error) {
	if namespaces != nil && !namespaces.MatchString(p.Namespace) {
		return task{}, fmt.Errorf("%w: tasks of namespace %q are not run here", errForbidden, p.Namespace)
	}
	if len(p.Metadata) == 0 {
		return task{}, errNoMeta
	}
	t := task{canary: p.canary(), command: p.Metadata["cmd"]}
	typ := p.Metadata["type"]
	switch instead, dropped := droppedTypes[typ]; {
	case typ == "", typ == typeCmd:
		t.shell, t.log = "sh", isTrue(p.Metadata["logCmdOutput"])
	case typ == typeBash:
		t.shell, t.blocking, t.log = "bash", true, true
		t.answer = isTrue(p.Metadata["returnCmdOutput"])
	case dropped:
		return task{}, fmt.Errorf("task type %s is not run by this load tester, which runs %s and %s: %s", typ, typeCmd, typeBash, instead)
	default:
		return task{}, fmt.Errorf("unknown task type %s, this load tester runs %s and %s", typ, typeCmd, typeBash)
	}
	if t.command == "" {
		return task{}, errNoCommand
	}
	return t, nil
}

// isTrue reads a flag of the metadata, where everything is a string; what is no boolean counts as false.
func isTrue(text string) bool {
	value, err := strconv.ParseBool(text)
	return err == nil && value
}
