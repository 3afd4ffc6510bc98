package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func versionCommand(s *shell) *cobra.Command {
	var output string
	var short bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this command",
		Long:  "Print the version of this command, with that of Go and the platform it was built for.",
		Example: `  kubectl sluice version
  kubectl sluice version --short
  kubectl sluice version -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case short && output != "":
				return errors.New("--short prints one word; use it without -o")
			case short:
				fmt.Fprintln(s.Out, version)
				return nil
			}
			switch output {
			case "":
				fmt.Fprintf(s.Out, "kubectl-sluice %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return nil
			case "json":
				return json.NewEncoder(s.Out).Encode(map[string]string{
					"version": version, "goVersion": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			}
			return unknownOutput(output, "json")
		},
	}
	cmd.Flags().BoolVar(&short, "short", false, "the version alone")
	choice(cmd, &output, "output", "o", "json", "json")
	return cmd
}
