package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// File is one entry of a layer. Exactly one of Source, Content, Link and Dir
// says what it is.
type File struct {
	Path    string // absolute, inside the image
	Source  string // copy of this file of the host
	Content []byte
	Link    string // target of a symbolic link
	Dir     bool

	Mode fs.FileMode // permissions; zero means those of Source, or 0644 (0755 for folders)
	UID  int
}

// Layer is the files that one layer adds.
type Layer []File

// Tree adds a folder of the host with everything below it.
func Tree(from, to string) (Layer, error) {
	var layer Layer
	err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		layer = append(layer, File{Path: path.Join(to, filepath.ToSlash(rel)), Source: p, Mode: 0o644})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", from, err)
	}
	return layer, nil
}

// tarball writes the layer. The entries are sorted and carry no time, so that
// the digest follows from the contents alone; folders come before what is in
// them, because a reader may make them with other permissions otherwise.
func (l Layer) tarball() ([]byte, error) {
	files := withParents(l)
	sort.SliceStable(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i, f := range files {
		if i > 0 && files[i-1].Path == f.Path {
			return nil, fmt.Errorf("add %s to a layer: it is there twice", f.Path)
		}
		if err := f.write(w); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("end a layer: %w", err)
	}
	return buf.Bytes(), nil
}

func (f File) write(w *tar.Writer) error {
	h := &tar.Header{Name: strings.TrimPrefix(f.Path, "/"), ModTime: time.Unix(0, 0), Uid: f.UID, Gid: f.UID, Format: tar.FormatPAX}
	switch {
	case f.Dir:
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, h.Name+"/", int64(f.mode(0o755))
	case f.Link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.Link, 0o777
	case f.Source != "":
		content, err := os.ReadFile(f.Source)
		if err != nil {
			return fmt.Errorf("add %s to an image: %w", f.Path, err)
		}
		info, err := os.Stat(f.Source)
		if err != nil {
			return fmt.Errorf("add %s to an image: %w", f.Path, err)
		}
		f.Content, h.Mode = content, int64(f.mode(info.Mode().Perm()))
	default:
		h.Mode = int64(f.mode(0o644))
	}
	h.Size = int64(len(f.Content))
	if err := w.WriteHeader(h); err != nil {
		return fmt.Errorf("add %s to an image: %w", f.Path, err)
	}
	if _, err := w.Write(f.Content); err != nil {
		return fmt.Errorf("add %s to an image: %w", f.Path, err)
	}
	return nil
}

// mode spells permissions as tar does: the sticky bit of /tmp is a number there.
func (f File) mode(otherwise fs.FileMode) uint32 {
	m := f.Mode
	if m == 0 {
		m = otherwise
	}
	bits := uint32(m.Perm())
	if m&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// withParents adds the folders above every entry that are not entries themselves.
func withParents(l Layer) Layer {
	known := map[string]bool{"/": true, ".": true}
	for _, f := range l {
		known[f.Path] = true
	}
	all := append(Layer(nil), l...)
	for _, f := range l {
		for dir := path.Dir(f.Path); !known[dir]; dir = path.Dir(dir) {
			known[dir] = true
			all = append(all, File{Path: dir, Dir: true})
		}
	}
	return all
}
