package conformance

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const comparedTable = `# Lamp example.org/v1 plural=lamps scope=Namespaced shortNames= categories=all served=True storage=True subresources=status
# column AGE	.metadata.creationTimestamp	date	priority=0
spec	object
spec.colour	string	required	enum=red|green
spec.watts	integer		minimum=0 maximum=100 format=int64
spec.label	string		maxLength=5
spec.lines	array		minItems=1
spec.lines[]	string
spec.every	string		pattern=^[0-9]+s
spec.place	object		oneOf=room;floor
`

// TestCompareFindsWhatIsWrong breaks the table in one way at a time.
func TestCompareFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"nothing is wrong":     {"", "", nil},
		"a field is missing":   {"spec.label\tstring\t\tmaxLength=5\n", "", []string{"worse: Lamp spec.label: is missing"}},
		"another type":         {"spec.watts\tinteger", "spec.watts\tstring", []string{"worse: Lamp spec.watts: has type string, expected integer"}},
		"a field is required":  {"spec.lines\tarray\t", "spec.lines\tarray\trequired", []string{"worse: Lamp spec.lines: required is true, expected false"}},
		"a field is optional":  {"string\trequired", "string\t", []string{"Lamp spec.colour: required is false, expected true"}},
		"an enum lacks one":    {"red|green", "red", []string{`worse: Lamp spec.colour: enum is "red", expected "red|green"`}},
		"an enum has one more": {"red|green", "red|green|blue", []string{`Lamp spec.colour: enum is "red|green|blue", expected "red|green"`}},
		"an enum in any order": {"red|green", "green|red", nil},
		"an enum is gone":      {"enum=red|green", "", []string{`Lamp spec.colour: has no enum, expected "red|green"`}},
		"an enum is new":       {"spec.label\tstring\t\t", "spec.label\tstring\t\tenum=x ", []string{`worse: Lamp spec.label: enum is "x", expected ""`}},
		"a higher minimum":     {"minimum=0", "minimum=1", []string{`worse: Lamp spec.watts: minimum is "1", expected "0"`}},
		"a lower maximum":      {"maximum=100", "maximum=99", []string{`worse: Lamp spec.watts: maximum is "99", expected "100"`}},
		"a higher maximum":     {"maximum=100", "maximum=101", []string{`Lamp spec.watts: maximum is "101", expected "100"`}},
		"a shorter text":       {"maxLength=5", "maxLength=4", []string{`worse: Lamp spec.label: maxLength is "4", expected "5"`}},
		"a longer list":        {"minItems=1", "minItems=2", []string{`worse: Lamp spec.lines: minItems is "2", expected "1"`}},
		"an empty list":        {"minItems=1", "minItems=0", []string{`Lamp spec.lines: minItems is "0", expected "1"`}},
		"another pattern":      {"^[0-9]+s", "^[0-9]s", []string{`worse: Lamp spec.every: pattern is "^[0-9]s", expected "^[0-9]+s"`}},
		"no oneOf":             {"oneOf=room;floor", "", []string{`Lamp spec.place: has no oneOf, expected "room;floor"`}},
		"a default":            {"maxLength=5", "maxLength=5 default=x", []string{`worse: Lamp spec.label: default is "x", expected ""`}},
		"an unlisted addition": {"spec.lines[]\tstring\n", "spec.lines[]\tstring\nspec.new\tstring\n", []string{"Lamp spec.new: is not in the original (required: false)"}},
		"a required addition":  {"spec.lines[]\tstring\n", "spec.lines[]\tstring\nspec.new\tstring\trequired\n", []string{"worse: Lamp spec.new: is not in the original (required: true)"}},
		"another scope":        {"scope=Namespaced", "scope=Cluster", []string{`worse: Lamp scope: is "cluster", expected "namespaced"`}},
		"another category":     {"categories=all", "categories=", []string{`worse: Lamp categories: is "", expected "all"`}},
		"no subresource":       {"subresources=status", "subresources=", []string{`worse: Lamp subresources: is "", expected "status"`}},
		"another column": {"date\tpriority=0", "date\tpriority=1", []string{
			`worse: Lamp columns: are ["AGE\t.metadata.creationTimestamp\tdate\tpriority=1"], expected ["AGE\t.metadata.creationTimestamp\tdate\tpriority=0"]`}},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(comparedTable, c.old) {
				t.Fatalf("the table does not hold %q", c.old)
			}
			var got []string
			for _, difference := range Compare(read(t, comparedTable), read(t, strings.Replace(comparedTable, c.old, c.new, 1))) {
				text := difference.String()
				if difference.Worse {
					text = "worse: " + text
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func read(t *testing.T, table string) *Kind {
	t.Helper()
	kinds, err := ReadTable(strings.NewReader(table))
	if err != nil || len(kinds) != 1 {
		t.Fatalf("%d kinds, %v", len(kinds), err)
	}
	return kinds[0]
}

func TestAnExceptionDoesNotExcuseWhatIsWorse(t *testing.T) {
	exception := Exception{Kind: "Lamp", Path: "spec.col…", What: "enum"}
	difference := Difference{Kind: "Lamp", Path: "spec.colour", What: "enum"}
	if !exception.Covers(difference) {
		t.Error("a wider enum is not excused")
	}
	difference.Worse = true
	if exception.Covers(difference) {
		t.Error("a narrower enum is excused")
	}
}
