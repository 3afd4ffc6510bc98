package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func example(t *testing.T) Spec {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("code"), 0o700); err != nil {
		t.Fatal(err)
	}
	return Spec{
		Names: []string{"ghcr.io/example/app:dev", "docker.io/example/app:dev"},
		Layers: []Layer{
			{{Path: "/tmp", Dir: true, Mode: 0o777 | os.ModeSticky}, {Path: "/etc/passwd", Content: []byte("root:x:0:0::/:\n")}},
			{{Path: "/usr/bin/program", Source: program, Mode: 0o755}, {Path: "/bin", Link: "usr/bin"}},
		},
		Entrypoint: []string{"/usr/bin/program"},
		User:       "65532:65532",
		WorkingDir: "/work",
		Env:        []string{"PATH=/usr/bin"},
	}
}

func TestArchiveReadsBack(t *testing.T) {
	spec := example(t)
	img, err := Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	if err := img.Write(archive); err != nil {
		t.Fatal(err)
	}
	for _, ref := range spec.Names {
		tag, err := name.NewTag(ref)
		if err != nil {
			t.Fatal(err)
		}
		read, err := tarball.ImageFromPath(archive, &tag)
		if err != nil {
			t.Fatalf("a reader of docker archives does not find %s: %v", ref, err)
		}
		config, err := read.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Config; got.User != spec.User || got.WorkingDir != spec.WorkingDir || !slices.Equal(got.Entrypoint, spec.Entrypoint) {
			t.Errorf("the configuration came back as %+v", got)
		}
		if got := contents(t, read); !slices.Equal(got, []string{
			"etc/ 0755", "etc/passwd 0644 root:x:0:0::/:\n", "tmp/ 1777",
			"bin -> usr/bin", "usr/ 0755", "usr/bin/ 0755", "usr/bin/program 0755 code",
		}) {
			t.Errorf("the files came back as %q", got)
		}
	}
}

// contents lists an image's files, layer by layer.
func contents(t *testing.T, img v1.Image) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, layer := range layers {
		reader, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for r := tar.NewReader(reader); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, describe(h, content))
		}
	}
	return all
}

func describe(h *tar.Header, content []byte) string {
	mode := "0" + string("01234567"[h.Mode>>6&7]) + string("01234567"[h.Mode>>3&7]) + string("01234567"[h.Mode&7])
	if h.Mode&0o1000 != 0 {
		mode = "1" + mode[1:]
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		return h.Name + " -> " + h.Linkname
	case tar.TypeDir:
		return h.Name + " " + mode
	}
	return h.Name + " " + mode + " " + string(content)
}

func TestArchiveIsAnOCILayoutWithEveryName(t *testing.T) {
	img, err := Build(example(t))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := img.archive(&out); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range index.Manifests {
		names = append(names, m.Annotations["io.containerd.image.name"])
		if m.Digest.String() != img.Digest {
			t.Errorf("the index points to %s, not to %s", m.Digest, img.Digest)
		}
		manifest := files["blobs/sha256/"+m.Digest.Hex]
		if hash, _, _ := v1.SHA256(bytes.NewReader(manifest)); hash != m.Digest || int64(len(manifest)) != m.Size {
			t.Errorf("the manifest in the archive is not the one that the index names")
		}
	}
	if !slices.Equal(names, img.Names) {
		t.Errorf("got names %q, want %q", names, img.Names)
	}
}

func TestTheSameFilesGiveTheSameDigest(t *testing.T) {
	spec := example(t)
	first, err := Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(spec.Layers[0])
	second, err := Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	if first.Digest != second.Digest {
		t.Error("the order in which files are listed should not matter")
	}
	spec.Layers[0] = append(spec.Layers[0], File{Path: "/new"})
	third, err := Build(spec)
	if err != nil {
		t.Fatal(err)
	}
	if third.Digest == first.Digest {
		t.Error("another file should matter")
	}
}

func TestAFileTwiceIsAMistake(t *testing.T) {
	_, err := Build(Spec{Names: []string{"a"}, Layers: []Layer{{{Path: "/x"}, {Path: "/x"}}}})
	if err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
}

func TestParseLdd(t *testing.T) {
	got, err := parseLdd("\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f61)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f61)\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := parseLdd("\tlibx.so.1 => not found\n"); err == nil || !strings.Contains(err.Error(), "libx.so.1") {
		t.Errorf("a missing library should be named, got %v", err)
	}
}

func TestMissingFrom(t *testing.T) {
	list := `REF TYPE DIGEST SIZE PLATFORMS LABELS
ghcr.io/a/b:dev application/vnd.oci.image.manifest.v1+json sha256:0123 7.6 MiB linux/amd64 io.cri-containerd.image=managed
docker.io/a/b:dev application/vnd.oci.image.manifest.v1+json sha256:0123 7.6 MiB linux/amd64 io.cri-containerd.image=managed
`
	for name, c := range map[string]struct {
		img  Image
		want bool
	}{
		"there under both names": {Image{Names: []string{"ghcr.io/a/b:dev", "docker.io/a/b:dev"}, Digest: "sha256:0123"}, false},
		"another digest":         {Image{Names: []string{"ghcr.io/a/b:dev"}, Digest: "sha256:4567"}, true},
		"one name is not there":  {Image{Names: []string{"ghcr.io/a/b:dev", "ghcr.io/a/c:dev"}, Digest: "sha256:0123"}, true},
	} {
		if got := c.img.MissingFrom(list); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
