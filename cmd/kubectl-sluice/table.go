package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/sluice-mesh/sluice/pkg/envoy"
)

// tableFormats are the output formats of proxy-status; without one it prints a table.
var tableFormats = []string{"wide", "name", "json", "yaml"}

// typesShown are the columns of -o wide.
var typesShown = []string{"clusters", "endpoints", "listeners", "routes"}

// printProxies prints the states as asked.
func (s *shell) printProxies(states []envoy.ProxyState, o proxyStatusOptions) error {
	switch o.output {
	case "json", "yaml":
		if states == nil {
			states = []envoy.ProxyState{}
		}
		return s.printData(states, o.output)
	case "name":
		for _, p := range states {
			if _, err := fmt.Fprintln(s.Out, "pod/"+p.Pod); err != nil {
				return err
			}
		}
		return nil
	}
	if len(states) == 0 {
		s.warn("no pod here has an Envoy; look elsewhere with -n or -A")
		return nil
	}
	t := table{wide: o.output == "wide", namespaces: o.all}
	return t.print(s.Out, states, time.Now())
}

// watchProxies prints all states, and then those that change, until ctx is done.
func (s *shell) watchProxies(ctx context.Context, look func() ([]envoy.ProxyState, error), t table) error {
	known := map[string]string{}
	for {
		states, err := look()
		if err != nil && !errors.Is(err, errFailed) {
			return err
		}
		var changed []envoy.ProxyState
		now := map[string]string{}
		for _, p := range states {
			key := p.Namespace + "/" + p.Pod
			now[key] = string(p.State) + p.Replica + p.Message
			if known[key] != now[key] {
				changed = append(changed, p)
			}
		}
		known = now
		if len(changed) > 0 {
			if err := t.print(s.Out, changed, time.Now()); err != nil {
				return err
			}
			t.bare = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchPause):
		}
	}
}

// table says which columns are wanted.
type table struct {
	wide, namespaces bool
	// bare leaves the headings out.
	bare bool
}

// print aligns the columns; the state is coloured on terminals. The message is the last, because it may be long.
func (t table) print(w io.Writer, states []envoy.ProxyState, now time.Time) error {
	rows := [][]string{}
	if !t.bare {
		rows = append(rows, t.headings(w))
	}
	for _, p := range states {
		rows = append(rows, t.row(w, p, now))
	}
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	_ = columns.Flush() // writing to memory does not fail
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// stateColours are all equally long, as is that of the heading: the columns are aligned with them.
var stateColours = map[envoy.State]string{
	envoy.Synced: green, envoy.Stale: yellow, envoy.Rejected: red, envoy.NotConnected: red, envoy.Foreign: yellow,
}

func (t table) headings(w io.Writer) []string {
	row := []string{"POD", "PROXY", paint(w, uncoloured, "STATE"), "SINCE", "REPLICA"}
	if t.namespaces {
		row = slices.Insert(row, 0, "NAMESPACE")
	}
	if t.wide {
		for _, name := range typesShown {
			row = append(row, strings.ToUpper(name))
		}
	}
	return append(row, "MESSAGE")
}

func (t table) row(w io.Writer, p envoy.ProxyState, now time.Time) []string {
	row := []string{p.Pod, "-", paint(w, stateColours[p.State], string(p.State)), "-", orDash(p.Replica)}
	if p.Proxy != nil {
		row[1] = strings.ToLower(string(p.Proxy.Kind)) + "/" + p.Proxy.Name
	}
	if !p.Since.IsZero() {
		row[3] = duration.HumanDuration(now.Sub(p.Since))
	}
	if t.namespaces {
		row = slices.Insert(row, 0, p.Namespace)
	}
	if t.wide {
		for _, name := range typesShown {
			row = append(row, versions(p.Types[name]))
		}
	}
	// A tab or a new line of Envoy's would break the table.
	return append(row, strings.Join(strings.Fields(p.Message), " "))
}

// shortVersion is as much of a content hash as people compare.
const shortVersion = 8

// versions is what the proxy has, and what it was sent if that is something else.
func versions(t envoy.TypeStatus) string {
	short := func(version string) string { return orDash(version[:min(shortVersion, len(version))]) }
	if t.Sent == t.Acked {
		return short(t.Acked)
	}
	return short(t.Acked) + "->" + short(t.Sent)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
