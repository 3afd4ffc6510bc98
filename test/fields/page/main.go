// Page writes docs/fields.md, the table of fields for users, to the file that it is given. It is run in test/fields.
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
		return fmt.Errorf("usage: page <file>")
	}
	table, err := fields.NewTable(filepath.Join("..", ".."))
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], []byte(table.Page()), 0o644)
}
