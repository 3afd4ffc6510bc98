// Package conflist edits the configuration of a node's network: a conflist of others goes in, the same with our plugin
// at its end, or without it, comes out. Every other byte stays where it is, known or not.
package conflist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/version"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// entry is our plugin in a conflist. The capability makes the container runtime tell us the pod's annotations.
const entry = `{"type": "` + sluice.CNIPlugin + `", "capabilities": {"io.kubernetes.cri.pod-annotations": true}}`

// Suffix ends the names of conflists.
const Suffix = ".conflist"

// suffixes end the names of the files that a container runtime reads.
var suffixes = []string{Suffix, ".conf", ".json"}

// Active is the file of a folder that container runtimes take: the first by name. Empty if there is none.
func Active(names []string) string {
	var found []string
	for _, name := range names {
		if slices.Contains(suffixes, filepath.Ext(name)) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.Min(found)
}

// Lists are the conflists of a folder.
func Lists(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasSuffix(name, Suffix) })
}

// Add returns the conflist with our plugin in it once: where it is, or else behind all others. An error says why it
// cannot be added, and then the file is to be left alone.
func Add(text []byte) ([]byte, error) {
	l, err := parse(text)
	if err != nil {
		return nil, err
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	ours := l.ours()
	// Once is enough: from the end, so that what is before stays where it is.
	for len(ours) > 1 {
		text = l.without(text, ours[len(ours)-1])
		ours = ours[:len(ours)-1]
	}
	if len(ours) == 0 {
		last := len(l.plugins) - 1
		gap := text[l.before(last):l.plugins[last].start] // as the last one is set off from what is before it
		return slices.Concat(text[:l.plugins[last].end], []byte(","), bytes.TrimLeft(gap, ","), []byte(entry), text[l.plugins[last].end:]), nil
	}
	at := l.plugins[ours[0]]
	return slices.Concat(text[:at.start], []byte(entry), text[at.end:]), nil
}

// Remove returns the conflist without our plugin, and as it is if that is not in it.
func Remove(text []byte) ([]byte, error) {
	l, err := parse(text)
	if err != nil {
		return nil, err
	}
	for _, i := range slices.Backward(l.ours()) {
		text = l.without(text, i)
	}
	return text, nil
}

// list is what is read of a conflist.
type list struct {
	plugins  []plugin
	opening  int // behind the bracket
	versions []string
}

// plugin is one entry of the list: its type and where it is in the text.
type plugin struct {
	kind       string
	start, end int
}

// before is where what separates plugin i from what precedes it begins.
func (l list) before(i int) int {
	if i == 0 {
		return l.opening
	}
	return l.plugins[i-1].end
}

// without cuts plugin i out of the text, with what separates it from its neighbour.
func (l list) without(text []byte, i int) []byte {
	from, to := l.before(i), l.plugins[i].end
	if i == 0 && len(l.plugins) > 1 {
		from, to = l.plugins[0].start, l.plugins[1].start
	}
	return slices.Concat(text[:from], text[to:])
}

func (l list) ours() []int {
	var at []int
	for i, p := range l.plugins {
		if p.kind == sluice.CNIPlugin {
			at = append(at, i)
		}
	}
	return at
}

// check says why our plugin cannot be chained to the others.
func (l list) check() error {
	if len(l.plugins) == len(l.ours()) {
		return errors.New("it has no plugin to be chained to")
	}
	for _, v := range l.versions {
		if known := version.All.SupportedVersions(); !slices.Contains(known, v) {
			return fmt.Errorf("its cniVersion %q is none of those that %s speaks (%s)", v, sluice.CNIPlugin, strings.Join(known, ", "))
		}
	}
	return nil
}

// parse reads as strictly as the container runtime, which takes no half-written file either.
func parse(text []byte) (list, error) {
	var l list
	if !json.Valid(text) {
		return l, errors.New("it is no JSON, or only half of it")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if token, _ := d.Token(); token != json.Delim('{') {
		return l, errors.New("it is no JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		token, _ := d.Token()
		key, _ := token.(string)
		if seen[key] {
			return l, fmt.Errorf("it has %q twice", key) // the runtime takes one of them, we do not know which
		}
		seen[key] = true
		var raw json.RawMessage
		if key != "plugins" {
			_ = d.Decode(&raw)
			l.versions = append(l.versions, versionsOf(key, raw)...)
			continue
		}
		if token, _ := d.Token(); token != json.Delim('[') {
			return l, errors.New(`its "plugins" are no list`)
		}
		l.opening = int(d.InputOffset())
		for d.More() {
			_ = d.Decode(&raw)
			end := int(d.InputOffset())
			var p struct{ Type string }
			if err := json.Unmarshal(raw, &p); err != nil || p.Type == "" {
				return l, errors.New("one of its plugins has no type")
			}
			l.plugins = append(l.plugins, plugin{kind: p.Type, start: end - len(raw), end: end})
		}
		_, _ = d.Token()
	}
	if !seen["plugins"] {
		return l, errors.New(`it has no "plugins"`)
	}
	return l, nil
}

// versionsOf are those that the runtime may speak with the plugins. An empty one is the oldest.
func versionsOf(key string, raw json.RawMessage) []string {
	var one string
	var several []string
	switch {
	case key == "cniVersion" && json.Unmarshal(raw, &one) == nil && one != "":
		return []string{one}
	case key == "cniVersions" && json.Unmarshal(raw, &several) == nil:
		return several
	}
	return nil
}
