// Package hosts keeps one marked block of names in a hosts file: lines in, the
// file with exactly those lines between the marks out.
package hosts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// File is where the host looks names up.
const File = "/etc/hosts"

// Domain is where the hostnames of LoadBalancer Services live. It is under .test,
// which is reserved, so that no name of the real world is ever hidden.
const Domain = "sluice.test"

const (
	begin = "# >>> sluice test cluster: LoadBalancer Services (removed by `cluster down`)"
	end   = "# <<< sluice test cluster"
)

// Entry is one name and its address.
type Entry struct {
	IP   string
	Name string
}

// Set makes the file's block hold the entries and nothing else.
func Set(file string, entries []Entry) error {
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	edited := Edit(string(content), entries)
	if edited == string(content) {
		return nil
	}
	// In place: in a container this file is a mount, which nothing can be
	// renamed over.
	if err := os.WriteFile(file, []byte(edited), 0o644); err != nil {
		return fmt.Errorf("write names of Services to %s: %w", file, err)
	}
	return nil
}

// Edit returns the file's content with its block replaced; without entries
// there is no block, and the content is what it was before there was one.
func Edit(content string, entries []Entry) string {
	rest := cut(content)
	if len(entries) == 0 {
		return rest
	}
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	b.WriteString(rest)
	if rest != "" && !strings.HasSuffix(rest, "\n") {
		b.WriteString("\n")
	}
	b.WriteString(begin + "\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %s\n", e.IP, e.Name)
	}
	b.WriteString(end + "\n")
	return b.String()
}

// cut takes the block out. A block whose end is missing is only its first line:
// whatever follows may be somebody else's.
func cut(content string) string {
	lines := slices.Collect(strings.Lines(content))
	trimmed := func(want string) func(string) bool {
		return func(line string) bool { return strings.TrimRight(line, "\r\n") == want }
	}
	from := slices.IndexFunc(lines, trimmed(begin))
	if from < 0 {
		return content
	}
	to := slices.IndexFunc(lines[from:], trimmed(end))
	return strings.Join(slices.Delete(lines, from, from+max(to, 0)+1), "")
}
