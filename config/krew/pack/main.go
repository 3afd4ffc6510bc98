// Command pack makes what krew installs of a version: an archive for each platform of config/krew/sluice.yaml, and that
// manifest with the version and the checksums filled in. It runs in the root of the repository.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// manifest is what of krew's Plugin is looked at.
type manifest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Version          string     `json:"version"`
		Homepage         string     `json:"homepage"`
		ShortDescription string     `json:"shortDescription"`
		Description      string     `json:"description"`
		Caveats          string     `json:"caveats"`
		Platforms        []platform `json:"platforms"`
	} `json:"spec"`
}

type platform struct {
	Selector struct {
		MatchLabels struct {
			OS   string `json:"os"`
			Arch string `json:"arch"`
		} `json:"matchLabels"`
	} `json:"selector"`
	URI    string `json:"uri"`
	SHA256 string `json:"sha256"`
	Bin    string `json:"bin"`
}

// What is filled in.
const (
	versionMark = "VERSION"
	sumMark     = "SHA256"
)

// versions are those that krew takes.
var versions = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

func main() {
	log.SetFlags(0)
	version := flag.String("version", "", "version to pack, such as v1.2.3")
	out := flag.String("out", "bin/krew", "directory to write to")
	flag.Parse()
	if err := pack(*version, *out); err != nil {
		log.Fatal(err)
	}
}

func pack(version, out string) error {
	if !versions.MatchString(version) {
		return fmt.Errorf("-version %q: krew takes versions such as v1.2.3", version)
	}
	text, err := os.ReadFile("config/krew/sluice.yaml")
	if err != nil {
		return err
	}
	var m manifest
	if err := yaml.UnmarshalStrict(text, &m); err != nil {
		return fmt.Errorf("read the manifest: %w", err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // everybody may read a release
		return err
	}
	var sums []string
	for _, p := range m.Spec.Platforms {
		binary := filepath.Join(out, p.Bin)
		if err := build(p, version, binary); err != nil {
			return err
		}
		archive, err := archiveOf(p.Bin, binary, "LICENSE")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, path.Base(p.URI)), archive, 0o644); err != nil { //nolint:gosec // the same
			return err
		}
		if err := os.Remove(binary); err != nil {
			return err
		}
		sums = append(sums, sumOf(archive))
	}
	return os.WriteFile(filepath.Join(out, "sluice.yaml"), fill(text, version, sums), 0o644) //nolint:gosec // the same
}

func build(p platform, version, binary string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", binary, "./cmd/kubectl-sluice")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.Selector.MatchLabels.OS, "GOARCH="+p.Selector.MatchLabels.Arch)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build for %s/%s: %w", p.Selector.MatchLabels.OS, p.Selector.MatchLabels.Arch, err)
	}
	return nil
}

// archiveOf packs the command under its name, and the licence. Equal files make equal archives: they have no times.
func archiveOf(name, binary, licence string) ([]byte, error) {
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, f := range []struct {
		name, path string
		mode       int64
	}{{name, binary, 0o755}, {"LICENSE", licence, 0o644}} {
		content, err := os.ReadFile(f.path)
		if err != nil {
			return nil, err
		}
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := archive.Write(content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func sumOf(archive []byte) string {
	sum := sha256.Sum256(archive)
	return hex.EncodeToString(sum[:])
}

// fill puts the version and the checksums, in the order of the platforms, in their places. The comment at the top is for
// those who read the source.
func fill(text []byte, version string, sums []string) []byte {
	var out []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasSuffix(strings.TrimSpace(line), ": "+sumMark) && len(sums) > 0 {
			line, sums = strings.Replace(line, sumMark, sums[0], 1), sums[1:]
		}
		out = append(out, strings.ReplaceAll(line, versionMark, version))
	}
	return []byte(strings.Join(out, ""))
}
