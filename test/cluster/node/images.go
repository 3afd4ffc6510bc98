package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sluice-mesh/sluice/test/cluster/build"
	"github.com/sluice-mesh/sluice/test/cluster/image"
)

// The cluster's own images. They are never looked for in a registry.
const (
	pauseName   = "docker.io/sluice-cluster/pause:dev"
	coreDNSName = "docker.io/sluice-cluster/coredns:dev"
	metricsName = "docker.io/sluice-cluster/metrics-server:dev"
)

// systemImages is what the cluster itself runs.
func systemImages(p programs) []image.Spec {
	return []image.Spec{
		single(pauseName, filepath.Join(p.pause, "pause")),
		single(coreDNSName, filepath.Join(p.coredns, "coredns")),
		MetricsImage(p.metrics),
	}
}

// MetricsImage is metrics-server's, from the folder it was built in.
func MetricsImage(dir string) image.Spec {
	return single(metricsName, filepath.Join(dir, "metrics-server"))
}

// MetricsManifest installs it.
func MetricsManifest() ([]byte, error) {
	return render("metrics-server.yaml", settings{MetricsImage: metricsName})
}

// single is an image of one static program.
func single(name, program string) image.Spec {
	file := "/" + filepath.Base(program)
	return image.Spec{
		Names:      []string{name},
		Layers:     []image.Layer{{{Path: file, Source: program, Mode: 0o755}, {Path: "/tmp", Dir: true, Mode: 0o777 | os.ModeSticky}}},
		Entrypoint: []string{file},
		User:       "0",
	}
}

// Loader brings images into the running cluster's containerd.
type Loader struct{ ctr string }

// NewLoader needs containerd's own client.
func NewLoader(ctx context.Context, cache *build.Cache) (Loader, error) {
	ctr, err := cache.Tool(ctx, "ctr")
	return Loader{ctr: ctr}, err
}

// Missing tells whether an image is absent or differs under one of its names.
func (l Loader) Missing(ctx context.Context, img *image.Image) (bool, error) {
	out, err := l.command(ctx, "images", "list").Output()
	if err != nil {
		return false, fmt.Errorf("list the cluster's images: %w", err)
	}
	return img.MissingFrom(string(out)), nil
}

// Load imports an archive (an OCI layout or "docker save").
func (l Loader) Load(ctx context.Context, archive string) error {
	out, err := l.command(ctx, "images", "import", "--snapshotter=overlayfs", archive).CombinedOutput()
	if err != nil {
		return fmt.Errorf("load %s into the cluster: %w: %s", archive, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (l Loader) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, l.ctr, append([]string{"--address", Socket(), "--namespace", "k8s.io"}, args...)...)
}

// loadSystemImages builds the cluster's images and imports them in one archive
// each; the archives are temporary because the programs in them are cached.
func loadSystemImages(ctx context.Context, p programs) error {
	loader := Loader{ctr: p.ctr()}
	for _, spec := range systemImages(p) {
		img, err := image.Build(spec)
		if err != nil {
			return err
		}
		archive := path("image.tar")
		if err := img.Write(archive); err != nil {
			return err
		}
		if err := loader.Load(ctx, archive); err != nil {
			return err
		}
		if err := os.Remove(archive); err != nil {
			return fmt.Errorf("remove a temporary archive: %w", err)
		}
	}
	return nil
}
