// Page writes the tables of fields for users into the directory that it is given, docs. It is run in test/fields.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-mesh/sluice/test/fields"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: page <directory>")
	}
	for name, family := range map[string]fields.Family{"fields.md": fields.Meshes, "release-fields.md": fields.Releases} {
		table, err := fields.NewTable(filepath.Join("..", ".."), family)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(args[0], name), []byte(table.Page()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
