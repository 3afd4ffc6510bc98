package arch

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestTheChartHasTheObjectsOfConfig: there is one description of what is installed, in config/. The chart has copies, since
// Helm reads nothing outside of it.
func TestTheChartHasTheObjectsOfConfig(t *testing.T) {
	const config, chart = "../../config", "../../charts/sluice"
	originals := map[string][][]byte{}
	read(t, config, func(name string, text []byte) { originals[name] = append(originals[name], text) })
	copies := 0
	for _, folder := range []string{"crds", "files"} {
		read(t, filepath.Join(chart, folder), func(name string, text []byte) {
			copies++
			for _, original := range originals[name] {
				if bytes.Equal(original, text) {
					return
				}
			}
			t.Errorf("charts/sluice/%s: no %s in config is the same: change it there, and run `make generate`", folder, name)
		})
	}
	if copies == 0 {
		t.Error("the chart has no objects")
	}
}

// read calls a function with every file below a folder.
func read(t *testing.T, folder string, file func(name string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		file(entry.Name(), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
