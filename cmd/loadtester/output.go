package main

import "fmt"

// maxOutput is how much of a command's output is kept, in bytes: the last of it, where the error is.
const maxOutput = 64 << 10

// tail keeps the end of what is written.
type tail struct {
	kept []byte
	lost int
}

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - maxOutput; over > 0 {
		t.lost += over
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	if t.lost == 0 {
		return string(t.kept)
	}
	return fmt.Sprintf("(%d bytes before this are left out)\n%s", t.lost, t.kept)
}
