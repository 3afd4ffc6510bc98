package golden

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Section holds the part of a document between <!-- name --> and <!-- end of name --> against what the code says.
func Section(t *testing.T, path, name, want string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, last := fmt.Sprintf("<!-- %s -->\n", name), fmt.Sprintf("<!-- end of %s -->\n", name)
	before, rest, found := strings.Cut(string(text), first)
	got, after, ended := strings.Cut(rest, last)
	if !found || !ended {
		t.Fatalf("%s has no part between %q and %q", path, first, last)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+first+want+last+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("%s is not what the code says; run the test with -update (-document +code):\n%s", path, diff)
	}
}
