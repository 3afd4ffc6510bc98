package admission

import "bytes"

// carve cuts request.object out of a review: the object, and the rest with null in its place. Finding where the object
// ends is all that is done to it here, because pkg/inject reads it anyway, and reading a pod twice would be most of
// the cost of its admission. It gives up, returning false, on anything that does not look as the API server writes it;
// then the review is read the ordinary way, which also finds out what is wrong.
func carve(body []byte) (object, rest []byte, ok bool) {
	outer, ok := member(body, 0, `"request"`)
	if !ok {
		return nil, nil, false
	}
	inner, ok := member(body, outer.start, `"object"`)
	if !ok || body[inner.start] != '{' {
		return nil, nil, false
	}
	rest = make([]byte, 0, len(body)-(inner.end-inner.start)+len("null"))
	rest = append(rest, body[:inner.start]...)
	rest = append(rest, "null"...)
	rest = append(rest, body[inner.end:]...)
	return body[inner.start:inner.end], rest, true
}

// span is the place of a value.
type span struct{ start, end int }

// member finds the value of a key in the object that starts at position i. The key comes with its quotes.
func member(body []byte, i int, key string) (span, bool) {
	if i = blanks(body, i); i >= len(body) || body[i] != '{' {
		return span{}, false
	}
	for i++; ; i++ { // behind the brace, then behind each comma
		start := blanks(body, i)
		colon := value(body, start)
		if colon < 0 || body[start] != '"' {
			return span{}, false
		}
		found := string(body[start:colon]) == key
		if colon = blanks(body, colon); colon >= len(body) || body[colon] != ':' {
			return span{}, false
		}
		start = blanks(body, colon+1)
		end := value(body, start)
		if end < 0 {
			return span{}, false
		}
		if found {
			return span{start, end}, true
		}
		if i = blanks(body, end); i >= len(body) || body[i] != ',' {
			return span{}, false
		}
	}
}

// value returns the position behind the value that starts at i, or -1 where it does not end. It balances brackets
// without checking which: a wrong kind of bracket is found when the value is read.
func value(body []byte, i int) int {
	if i >= len(body) {
		return -1
	}
	switch body[i] {
	case '"':
		return text(body, i)
	case '{', '[':
	default:
		n := bytes.IndexAny(body[i:], ",}] \t\r\n")
		if n <= 0 {
			return -1
		}
		return i + n
	}
	depth := 0
	for i < len(body) {
		switch body[i] {
		case '"':
			if i = text(body, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

// text returns the position behind the string that starts at i, or -1 where it does not end.
func text(body []byte, i int) int {
	for i++; i < len(body); i++ {
		n := bytes.IndexByte(body[i:], '"')
		if n < 0 {
			return -1
		}
		slash := bytes.IndexByte(body[i:i+n], '\\')
		if slash < 0 {
			return i + n + 1
		}
		i += slash + 1 // the escaped character, which the loop then steps over
	}
	return -1
}

func blanks(body []byte, i int) int {
	for i < len(body) && (body[i] == ' ' || body[i] == '\n' || body[i] == '\t' || body[i] == '\r') {
		i++
	}
	return i
}
