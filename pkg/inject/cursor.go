package inject

import (
	"bytes"
	"encoding/json"
)

// Cursor reads JSON from front to back and decodes nothing that nobody asks for, which for a pod is most of the cost of its
// admission. It is for what the API server writes: on anything unusual it fails, and its user reads the ordinary way, which
// also finds out what is wrong. What it skips it does not check; it is used by whoever decodes that part.
type Cursor struct {
	text   []byte
	at     int
	failed bool
}

// NewCursor starts before the first value of the text.
func NewCursor(text []byte) *Cursor { return &Cursor{text: text} }

// Done reports whether all of the text was read, and nothing was unusual.
func (c *Cursor) Done() bool {
	c.blanks()
	return !c.failed && c.at == len(c.text)
}

// Members calls each for every member of an object, with the key; each takes the value, by one of the other methods. It is
// false for a null, which has none.
func (c *Cursor) Members(each func(key []byte)) bool {
	if c.null() || !c.take('{') {
		return false
	}
	for more := !c.empty('}'); more; more = c.more('}') {
		key := c.Value()
		if !plainText(key) || !c.take(':') {
			c.failed = true
			return false
		}
		each(key[1 : len(key)-1])
	}
	return true
}

// Items calls each for every item of a list; each takes the item, by one of the other methods. It is false for a null, which
// has none.
func (c *Cursor) Items(each func()) bool {
	if c.null() || !c.take('[') {
		return false
	}
	for more := !c.empty(']'); more; more = c.more(']') {
		each()
	}
	return true
}

// Text takes a string. A null is an empty one.
func (c *Cursor) Text() string {
	raw := c.Value()
	if plainText(raw) {
		return string(raw[1 : len(raw)-1])
	}
	var text string
	c.decode(raw, &text)
	return text
}

// Texts takes an object whose values are strings; nil is a null.
func (c *Cursor) Texts() map[string]string {
	out := map[string]string{}
	if !c.Members(func(key []byte) { out[string(key)] = c.Text() }) {
		return nil
	}
	return out
}

// Into decodes a value.
func (c *Cursor) Into(v any) { c.decode(c.Value(), v) }

func (c *Cursor) decode(raw []byte, v any) {
	if c.failed || json.Unmarshal(raw, v) != nil {
		c.failed = true
	}
}

// Value takes any value, as it is written. It balances brackets without checking which.
func (c *Cursor) Value() []byte {
	first, start := c.next(), c.at
	switch first {
	case 0:
		c.failed = true
	case '"':
		c.skipText()
	case '{', '[':
		c.skipBrackets()
	default:
		n := bytes.IndexAny(c.text[c.at:], ",}] \t\r\n")
		if n < 0 {
			n = len(c.text) - c.at
		}
		c.failed = c.failed || n == 0
		c.at += n
	}
	if c.failed {
		return nil
	}
	return c.text[start:c.at:c.at]
}

func (c *Cursor) skipBrackets() {
	depth := 0
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case '"':
			c.skipText()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				c.at++
				return
			}
		}
		c.at++
	}
	c.failed = true
}

// skipText moves behind the string at the cursor.
func (c *Cursor) skipText() {
	for c.at++; c.at < len(c.text); c.at++ {
		n := bytes.IndexByte(c.text[c.at:], '"')
		if n < 0 {
			break
		}
		slash := bytes.IndexByte(c.text[c.at:c.at+n], '\\')
		if slash < 0 {
			c.at += n + 1
			return
		}
		c.at += slash + 1 // the escaped character, which the loop then steps over
	}
	c.at, c.failed = len(c.text), true
}

// plainText says that a value is a string that is written as it is.
func plainText(raw []byte) bool {
	if len(raw) < 2 || raw[0] != '"' {
		return false
	}
	for _, b := range raw[1 : len(raw)-1] {
		if b < ' ' || b == '\\' || b > '~' {
			return false
		}
	}
	return true
}

// null takes a null, if that is what is next.
func (c *Cursor) null() bool {
	if c.next() != 'n' {
		return false
	}
	if string(c.Value()) != "null" {
		c.failed = true
	}
	return true
}

// take moves behind a character that has to be next.
func (c *Cursor) take(want byte) bool {
	if c.next() != want {
		c.failed = true
		return false
	}
	c.at++
	return true
}

// empty moves behind the end of what has nothing in it.
func (c *Cursor) empty(end byte) bool { return c.next() == end && c.take(end) }

// more moves behind a comma, or behind the end of what is read.
func (c *Cursor) more(end byte) bool {
	if c.next() == ',' {
		return c.take(',')
	}
	c.take(end)
	return false
}

// next is the next character that is no blank; 0 at the end.
func (c *Cursor) next() byte {
	c.blanks()
	if c.failed || c.at == len(c.text) {
		return 0
	}
	return c.text[c.at]
}

func (c *Cursor) blanks() {
	for c.at < len(c.text) && (c.text[c.at] == ' ' || c.text[c.at] == '\n' || c.text[c.at] == '\t' || c.text[c.at] == '\r') {
		c.at++
	}
}
