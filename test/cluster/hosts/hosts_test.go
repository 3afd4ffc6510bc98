package hosts

import (
	"os"
	"path/filepath"
	"testing"
)

const others = "127.0.0.1 localhost\n"

func TestEdit(t *testing.T) {
	two := []Entry{{"10.0.0.2", "b.demo.sluice.test"}, {"10.0.0.1", "a.demo.sluice.test"}}
	block := begin + "\n10.0.0.1 a.demo.sluice.test\n10.0.0.2 b.demo.sluice.test\n" + end + "\n"
	for name, c := range map[string]struct {
		content string
		entries []Entry
		want    string
	}{
		"a block is added at the end, sorted":       {others, two, others + block},
		"a last line without an end gets one":       {"1.1.1.1 x", two, "1.1.1.1 x\n" + block},
		"an empty file becomes a block":             {"", two, block},
		"the same again changes nothing":            {others + block, two, others + block},
		"lines around the block stay":               {others + block + "::1 six\n", two[:1], others + "::1 six\n" + begin + "\n10.0.0.2 b.demo.sluice.test\n" + end + "\n"},
		"no entries take the block away":            {others + block, nil, others},
		"no entries leave a file without one alone": {"1.1.1.1 x", nil, "1.1.1.1 x"},
		"a block without an end loses no strangers": {begin + "\n" + others, nil, others},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Edit(c.content, c.entries); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestSetKeepsTheFileItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte(others), 0o640); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, entries := range [][]Entry{{{"10.0.0.1", "a"}}, nil} {
		if err := Set(file, entries); err != nil {
			t.Fatal(err)
		}
	}
	after, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the file was replaced, which a mounted one cannot be")
	}
	if content, _ := os.ReadFile(file); string(content) != others {
		t.Errorf("left %q", content)
	}
}
