package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestTheManifestIsOneOfKrews fills it in and holds it against what krew's index asks for.
func TestTheManifestIsOneOfKrews(t *testing.T) {
	text, err := os.ReadFile("../sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sums := []string{sumOf([]byte("a")), sumOf([]byte("b")), sumOf([]byte("c")), sumOf([]byte("d")), sumOf([]byte("e"))}
	filled := fill(text, "v1.2.3", sums)
	var m manifest
	if err := yaml.UnmarshalStrict(filled, &m); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(filled), versionMark) || strings.Contains(string(filled), sumMark) || bytes.HasPrefix(filled, []byte("#")) {
		t.Errorf("something is not filled in:\n%s", filled)
	}
	if m.APIVersion != "krew.googlecontainertools.github.com/v1alpha2" || m.Kind != "Plugin" || m.Metadata.Name != "sluice" || !versions.MatchString(m.Spec.Version) {
		t.Errorf("%+v", m)
	}
	if n := len(m.Spec.ShortDescription); n == 0 || n > 50 || strings.HasSuffix(m.Spec.ShortDescription, ".") {
		t.Errorf("the short description has %d characters, or ends with a full stop; krew wants at most 50, and none", n)
	}
	var platforms []string
	for i, p := range m.Spec.Platforms {
		labels := p.Selector.MatchLabels
		platforms = append(platforms, labels.OS+"/"+labels.Arch)
		bin := "kubectl-sluice"
		if labels.OS == "windows" {
			bin += ".exe"
		}
		if p.SHA256 != sums[i] || p.Bin != bin || path.Base(p.URI) != "kubectl-sluice_"+labels.OS+"_"+labels.Arch+".tar.gz" || !strings.Contains(p.URI, "/v1.2.3/") {
			t.Errorf("%+v", p)
		}
	}
	if want := []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"}; !slices.Equal(platforms, want) {
		t.Errorf("platforms %v, want %v", platforms, want)
	}
}

// TestAnArchiveHoldsTheCommand packs the binary of this test in its stead.
func TestAnArchiveHoldsTheCommand(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := archiveOf("kubectl-sluice", binary, "../../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	again, err := archiveOf("kubectl-sluice", binary, "../../../LICENSE")
	if err != nil || sumOf(again) != sumOf(archive) {
		t.Errorf("equal files make another archive (%v)", err)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(unzipped)
	for _, name := range []string{"kubectl-sluice", "LICENSE"} {
		header, err := files.Next()
		if err != nil || header.Name != name {
			t.Fatalf("%v, %v", header, err)
		}
		content, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		if name == "kubectl-sluice" && (!bytes.Equal(content, want) || header.Mode != 0o755) {
			t.Errorf("%d bytes with mode %o", len(content), header.Mode)
		}
	}
}

func TestOnlyReleasesArePacked(t *testing.T) {
	for _, version := range []string{"", "dev", "1.2.3", "v1.2"} {
		if err := pack(version, t.TempDir()); err == nil || !strings.Contains(err.Error(), "such as v1.2.3") {
			t.Errorf("%q: %v", version, err)
		}
	}
}
