package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/release"
)

// toneColours are what tones look like on a terminal.
var toneColours = map[release.Tone]string{release.Good: green, release.Attention: yellow, release.Bad: red}

// style is how views are drawn on w.
func style(w io.Writer, o statusOptions) release.Style {
	return release.Style{
		Wide: o.output == "wide", Now: time.Now(),
		Paint: func(tone release.Tone, text string) string { return paint(w, toneColours[tone], text) },
	}
}

// printStatus prints what is there now.
func (s *shell) printStatus(views []release.View, single bool, o statusOptions) error {
	if o.output == "json" || o.output == "yaml" {
		var what any = views
		if single {
			what = views[0]
		} else if views == nil {
			what = []release.View{}
		}
		return s.printData(what, o.output)
	}
	if len(views) == 0 {
		s.warn("there is no Canary here; look elsewhere with -n or -A")
		return nil
	}
	_, err := fmt.Fprintln(s.Out, strings.Join(statusLines(views, single, style(s.Out, o), o), "\n"))
	return err
}

// statusLines draws one Canary as a tree, or many as a table.
func statusLines(views []release.View, single bool, style release.Style, o statusOptions) []string {
	if single && len(views) == 1 {
		return views[0].Tree(style)
	}
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	fmt.Fprintln(columns, strings.Join(release.Headings(style, o.all), "\t"))
	for _, v := range views {
		// A tab or a new line of somebody's message would break the table.
		fmt.Fprintln(columns, strings.ReplaceAll(strings.Join(v.Row(style, o.all), "\t"), "\n", " "))
	}
	_ = columns.Flush() // writing to memory does not fail
	var lines []string
	for line := range strings.Lines(text.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return lines
}

// terminalSize is the width and height of a terminal; false for what is none.
func terminalSize(w io.Writer) (width, height int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, 0, false
	}
	width, height, err := term.GetSize(int(f.Fd()))
	return width, height, err == nil
}

const (
	// home moves the cursor to the upper left corner, restOfLine and restOfScreen clear what is behind it.
	home         = "\x1b[H"
	restOfLine   = "\x1b[K"
	restOfScreen = "\x1b[J"
)

// redraw replaces what is on the terminal, cut to its size: a line that wraps would shift all others.
func redraw(w io.Writer, lines []string, width, height int) error {
	var text strings.Builder
	text.WriteString(home)
	for i, line := range lines {
		if i == height-1 {
			break
		}
		text.WriteString(cut(line, width) + plain + restOfLine + "\n")
	}
	text.WriteString(restOfScreen)
	_, err := io.WriteString(w, text.String())
	return err
}

// cut shortens a line to as many characters as fit. Colours take no room.
func cut(line string, width int) string {
	var out strings.Builder
	escape, n := false, 0
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		case n == width:
			continue
		default:
			n++
		}
		out.WriteRune(r)
	}
	return out.String()
}
