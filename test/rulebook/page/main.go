// Page writes the pages of the rulebook: the directory of its cases goes in, and docs/rules comes out. It is run in test/rulebook.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-mesh/sluice/test/rulebook"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: page CASES DOCS")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write replaces the directory, so that no page of a rule stays that is no more.
func write(cases, docs string) error {
	pages, err := rulebook.Pages(cases)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(docs); err != nil {
		return err
	}
	if err := os.MkdirAll(docs, 0o755); err != nil {
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(docs, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
