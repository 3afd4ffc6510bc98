package inject

import "strings"

// Op is one operation of a JSON patch (RFC 6902).
type Op struct {
	// Op is "add", "replace" or "remove".
	Op string `json:"op"`
	// Path is the JSON pointer (RFC 6901) of what changes.
	Path string `json:"path"`
	// Value is what is added; "remove" has none.
	Value any `json:"value,omitempty"`
}

// pointer joins the segments of a JSON pointer; annotation keys have slashes, so every segment is escaped.
func pointer(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(escaper.Replace(s))
	}
	return b.String()
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")
