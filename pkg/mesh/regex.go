package mesh

import (
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxRegexSize is a limit on regexSize. RE2 compiles nothing above some 87,000 instructions, and Envoy then refuses the
// whole table. App Mesh's proxies took 1,000.
const maxRegexSize = 20_000

// checkRegex keeps out what Envoy would refuse together with everything else in its message. Go's syntax is RE2's.
func checkRegex(path *field.Path, regex string) *field.Error {
	if regex == "" {
		return field.Invalid(path, regex, "an empty regular expression matches nothing")
	}
	if escape := foreignEscape(regex); escape != "" {
		return field.Invalid(path, regex, fmt.Sprintf("%s is no byte, and Envoy compares bytes; write the character itself, or its bytes", escape))
	}
	size, err := regexSize(regex)
	switch {
	case err != nil:
		return field.Invalid(path, regex, fmt.Sprintf("this is not a regular expression of RE2: %v", err))
	case size > maxRegexSize:
		return field.Invalid(path, regex, "this is too large for Envoy when its repetitions are written out; repeat less, or match by a prefix")
	}
	return nil
}

// foreignEscape finds a character that is written as a number beyond a byte.
func foreignEscape(regex string) string {
	for i := 0; i+1 < len(regex); i++ {
		if regex[i] != '\\' {
			continue
		}
		i++
		digits, wide := strings.CutPrefix(regex[i:], "x{")
		if !wide {
			continue
		}
		digits, _, _ = strings.Cut(digits, "}")
		if n, err := strconv.ParseUint(digits, 16, 32); err == nil && n > 0xff {
			return `\x{` + digits + `}`
		}
	}
	return ""
}

// regexSize is how many instructions RE2 makes of an expression, or up to twice as many. Envoy has RE2 read it, and what it is compared
// with, as bytes: as the characters up to U+00FF.
func regexSize(regex string) (int, error) {
	if _, err := syntax.Parse(regex, syntax.Perl); err != nil {
		return 0, err // with the characters as they were written
	}
	bytes := make([]rune, len(regex))
	for i, b := range []byte(regex) {
		bytes[i] = rune(b)
	}
	parsed, err := syntax.Parse(string(bytes), syntax.Perl)
	if err != nil {
		return 0, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0, err
	}
	size := len(program.Inst)
	for _, i := range program.Inst {
		for j := 0; j < len(i.Rune); j += 2 {
			if i.Rune[j] <= 0xff {
				size++
			}
		}
	}
	return size, nil
}
