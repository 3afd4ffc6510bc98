package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// choice adds a flag that takes one of a few words, which the shell completes.
func choice(cmd *cobra.Command, value *string, name, short, usage string, words ...string) {
	cmd.Flags().StringVarP(value, name, short, *value, usage)
	// The only error is a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

func unknownOutput(format string, known ...string) error {
	return fmt.Errorf("-o %s: this command has the output formats %s", format, strings.Join(known, ", "))
}

// printed gives a JSON text as people, or scripts, want it.
func printed(text []byte, format string) ([]byte, error) {
	switch format {
	case "json":
		return append(text, '\n'), nil
	case "yaml":
		return yaml.JSONToYAML(text)
	}
	return nil, unknownOutput(format, "yaml", "json")
}

// printData writes what a command found as data, for scripts.
func (s *shell) printData(data any, format string) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if text, err = printed(text, format); err != nil {
		return err
	}
	_, err = s.Out.Write(text)
	return err
}
