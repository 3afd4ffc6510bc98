package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Colours, which only terminals get.
const (
	red        = "\x1b[31m"
	green      = "\x1b[32m"
	yellow     = "\x1b[33m"
	uncoloured = "\x1b[39m"
	plain      = "\x1b[0m"
)

// paint colours a text if w is a terminal that wants it (https://no-color.org).
func paint(w io.Writer, colour, text string) string {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return text
	}
	return colour + text + plain
}

// fail tells why the command failed.
func (s *shell) fail(err error) { s.line(red, "error", err.Error()) }

// warn tells something that is good to know, unless nobody wants to.
func (s *shell) warn(text string) {
	if !s.quiet {
		s.line(yellow, "warning", text)
	}
}

// note tells what was done, unless nobody wants to know.
func (s *shell) note(text string) {
	if !s.quiet {
		s.line(uncoloured, "note", text)
	}
}

// line writes one line, so that scripts can count and filter.
func (s *shell) line(colour, label, text string) {
	fmt.Fprintf(s.ErrOut, "%s %s\n", paint(s.ErrOut, colour, label+":"), strings.ReplaceAll(text, "\n", " "))
}
