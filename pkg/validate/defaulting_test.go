package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestDefault runs every case of testdata/defaulting: the last document is the new object, the others are the world.
// The output is the patch, one operation a line, then what the author is told.
func TestDefault(t *testing.T) {
	cases, _ := filepath.Glob("testdata/defaulting/*.in.yaml")
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, path := range cases {
		stem := strings.TrimSuffix(path, ".in.yaml")
		t.Run(filepath.Base(stem), func(t *testing.T) {
			f := read(t, path)
			defaults, err := Default(New{Kind: f.kind.Name, Namespace: "howto", Raw: f.raw}, f.world)
			var b strings.Builder
			for _, op := range defaults.Ops {
				line, _ := json.Marshal(op)
				fmt.Fprintf(&b, "%s\n", line)
			}
			for _, warning := range defaults.Warnings {
				fmt.Fprintf(&b, "Warning: %s\n", warning)
			}
			if err != nil {
				fmt.Fprintf(&b, "Denied: %s\n", err)
			}
			golden(t, stem+".out.txt", b.String())
		})
	}
}

func TestDefaultOfHalfAnObject(t *testing.T) {
	for name, raw := range map[string]string{
		"half":                   `{"spec":{"awsName":`,
		"nothing":                ``,
		"a list":                 `[]`,
		"a number for the name":  `{"spec":{"awsName":1}}`,
		"a string for a mapping": `{"spec":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Default(New{Kind: "Mesh", Raw: []byte(raw)}, World{})
			if malformed := (*MalformedError)(nil); !errors.As(err, &malformed) {
				t.Errorf("got %v, want a malformed object", err)
			}
		})
	}
}
