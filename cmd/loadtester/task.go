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
	switch typ := p.Metadata["type"]; typ {
	case "", typeCmd:
		t.shell, t.log = "sh", isTrue(p.Metadata["logCmdOutput"])
	case typeBash:
		t.shell, t.blocking, t.log = "bash", true, true
		t.answer = isTrue(p.Metadata["returnCmdOutput"])
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
