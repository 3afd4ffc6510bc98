package image

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Programs adds programs of the host to an image together with the shared
// libraries and the loader that they need, each library at its own place: the
// loader finds it there without a cache file. It maps the place in the image to
// the file on the host.
func Programs(programs map[string]string) (Layer, error) {
	files := map[string]string{}
	for to, from := range programs {
		real, err := filepath.EvalSymlinks(from)
		if err != nil {
			return nil, fmt.Errorf("add the program %s to an image: %w", from, err)
		}
		files[to] = real
		libraries, err := libraries(real)
		if err != nil {
			return nil, err
		}
		for _, library := range libraries {
			if files[library], err = filepath.EvalSymlinks(library); err != nil {
				return nil, fmt.Errorf("add a library of %s to an image: %w", from, err)
			}
		}
	}
	var layer Layer
	for to, from := range files {
		layer = append(layer, File{Path: to, Source: from, Mode: 0o755})
	}
	slices.SortFunc(layer, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return layer, nil
}

// libraries asks the loader what it would load.
func libraries(program string) ([]string, error) {
	out, err := exec.Command("ldd", program).CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "not a dynamic executable") || strings.Contains(string(out), "statically linked") {
			return nil, nil
		}
		return nil, fmt.Errorf("list the libraries of %s: %w: %s", program, err, out)
	}
	return parseLdd(string(out))
}

// parseLdd reads lines such as
//
//	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f5aa1c00000)
//	/lib64/ld-linux-x86-64.so.2 (0x00007f5aa1e00000)
//
// and passes over the kernel's own library, which has no file.
func parseLdd(out string) ([]string, error) {
	var found []string
	for line := range strings.Lines(out) {
		if name, _, ok := strings.Cut(line, "=> not found"); ok {
			return nil, fmt.Errorf("library %s is not installed", strings.TrimSpace(name))
		}
		if _, target, ok := strings.Cut(line, "=> "); ok {
			line = target
		}
		fields := strings.Fields(line)
		if len(fields) > 0 && strings.HasPrefix(fields[0], "/") {
			found = append(found, fields[0])
		}
	}
	return found, nil
}
