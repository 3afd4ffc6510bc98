package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Spec is an image: its names, its files from the bottom layer upwards, and
// how it is started.
type Spec struct {
	Names      []string // full references; all name the same image
	Layers     []Layer
	Entrypoint []string
	Cmd        []string
	Env        []string
	User       string
	WorkingDir string
	Labels     map[string]string
}

// Image is a built image.
type Image struct {
	Names  []string
	Digest string // of its manifest: what a cluster that has it shows
	image  v1.Image
}

// Build reads the files and computes the image.
func Build(s Spec) (*Image, error) {
	if len(s.Names) == 0 {
		return nil, fmt.Errorf("build an image: it has no name")
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, layer := range s.Layers {
		content, err := layer.tarball()
		if err != nil {
			return nil, fmt.Errorf("build image %s: %w", s.Names[0], err)
		}
		// Not compressed: the archive goes to this machine's own disk, and
		// compressing Envoy takes longer than everything else together.
		img, err = mutate.AppendLayers(img, static.NewLayer(content, types.OCIUncompressedLayer))
		if err != nil {
			return nil, fmt.Errorf("build image %s: %w", s.Names[0], err)
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("build image %s: %w", s.Names[0], err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{
		Entrypoint: s.Entrypoint, Cmd: s.Cmd, Env: s.Env, User: s.User, WorkingDir: s.WorkingDir, Labels: s.Labels,
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, fmt.Errorf("build image %s: %w", s.Names[0], err)
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("build image %s: %w", s.Names[0], err)
	}
	return &Image{Names: s.Names, Digest: digest.String(), image: img}, nil
}

// Write puts the archive at path, at once or not at all. It is two formats in
// one, like those of recent Docker releases: an OCI layout, which keeps the
// digest, and Docker's manifest.json, which kind reads the names from.
func (i *Image) Write(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".partial-*")
	if err != nil {
		return fmt.Errorf("write image archive %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	if err := i.archive(tmp); err != nil {
		tmp.Close()
		return fmt.Errorf("write image archive %s: %w", path, err)
	}
	if err := errors.Join(tmp.Chmod(0o644), tmp.Close()); err != nil {
		return fmt.Errorf("write image archive %s: %w", path, err)
	}
	return os.Rename(tmp.Name(), path)
}

func (i *Image) archive(out io.Writer) error {
	manifest, err := i.image.RawManifest()
	if err != nil {
		return err
	}
	config, err := i.image.RawConfigFile()
	if err != nil {
		return err
	}
	parsed, err := i.image.Manifest()
	if err != nil {
		return err
	}
	layers, err := i.image.Layers()
	if err != nil {
		return err
	}
	w := &archiveWriter{tar: tar.NewWriter(out), seen: map[string]bool{}}
	w.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	w.json("index.json", i.index(v1.Descriptor{MediaType: parsed.MediaType, Size: int64(len(manifest))}))
	w.json("manifest.json", i.dockerManifest(parsed))
	w.file(blob(i.Digest), manifest)
	w.file(blob(parsed.Config.Digest.String()), config)
	for n, layer := range layers {
		w.layer(blob(parsed.Layers[n].Digest.String()), layer)
	}
	if w.err != nil {
		return w.err
	}
	return w.tar.Close()
}

// index names the manifest once per name: that is how an OCI layout tells
// containerd that one image has several.
func (i *Image) index(manifest v1.Descriptor) v1.IndexManifest {
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, name := range i.Names {
		d := manifest
		d.Digest, _ = v1.NewHash(i.Digest)
		d.Annotations = map[string]string{"io.containerd.image.name": name}
		index.Manifests = append(index.Manifests, d)
	}
	return index
}

// dockerManifest is the older format's table of contents.
func (i *Image) dockerManifest(m *v1.Manifest) any {
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	e := entry{Config: blob(m.Config.Digest.String()), RepoTags: i.Names}
	for _, l := range m.Layers {
		e.Layers = append(e.Layers, blob(l.Digest.String()))
	}
	return []entry{e}
}

// blob is where a layout keeps the content of that digest ("sha256:...").
func blob(digest string) string {
	return "blobs/" + strings.Replace(digest, ":", "/", 1)
}

// archiveWriter keeps the first error, so that the order of the entries reads
// without one check per line.
type archiveWriter struct {
	tar  *tar.Writer
	seen map[string]bool
	err  error
}

func (w *archiveWriter) file(name string, content []byte) {
	if w.err != nil || w.seen[name] { // two equal layers are one blob
		return
	}
	w.seen[name] = true
	if w.err = w.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); w.err == nil {
		_, w.err = w.tar.Write(content)
	}
}

func (w *archiveWriter) json(name string, value any) {
	content, err := json.Marshal(value)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.file(name, content)
}

func (w *archiveWriter) layer(name string, layer v1.Layer) {
	if w.err != nil {
		return
	}
	reader, err := layer.Compressed() // as it is stored, which here is plain
	if err != nil {
		w.err = err
		return
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	if err != nil {
		w.err = err
		return
	}
	w.file(name, content)
}
