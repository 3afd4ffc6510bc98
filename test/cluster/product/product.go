package product

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sluice-mesh/sluice/test/cluster/build"
	"github.com/sluice-mesh/sluice/test/cluster/image"
)

// Builder makes the images.
type Builder struct {
	Repository string // the checkout that our commands are built from
	Cache      *build.Cache
	Version    string // what our commands say of themselves, and the images' tag
	Log        io.Writer
}

// ErrNoCommands means that nothing of ours that an image is for exists yet.
var ErrNoCommands = errors.New("none of its commands exists in this checkout")

// recipes is every image by its short name, in the order of building.
var recipes = []struct {
	name  string
	make  func(Builder, context.Context) ([]image.Spec, error)
	extra bool // made only when it is asked for: no part of the demo
}{
	{name: "sluice", make: Builder.sluice},
	{name: "sluice-proxy", make: Builder.proxy},
	{name: "sluice-loadtester", make: Builder.loadtester},
	{name: "podinfo", make: Builder.podinfo},
	{name: "probe", make: Builder.probe, extra: true},
	{name: "flagger", make: Builder.flagger, extra: true},
	{name: "prometheus", make: Builder.prometheus, extra: true},
}

// Names lists the images that can be asked for.
func Names() []string {
	var names []string
	for _, r := range recipes {
		names = append(names, r.name)
	}
	return names
}

// Usual lists the images that the demo needs.
func Usual() []string {
	var names []string
	for _, r := range recipes {
		if !r.extra {
			names = append(names, r.name)
		}
	}
	return names
}

// Build makes the named images.
func (b Builder) Build(ctx context.Context, name string) ([]*image.Image, error) {
	for _, r := range recipes {
		if r.name != name {
			continue
		}
		specs, err := r.make(b, ctx)
		if err != nil {
			return nil, fmt.Errorf("make the image %s: %w", name, err)
		}
		var images []*image.Image
		for _, spec := range specs {
			img, err := image.Build(spec)
			if err != nil {
				return nil, err
			}
			images = append(images, img)
		}
		return images, nil
	}
	return nil, fmt.Errorf("no image is called %q: choose among %s", name, strings.Join(Names(), ", "))
}

func (b Builder) sluice(ctx context.Context) ([]image.Spec, error) {
	commands, err := b.commands(ctx, "/", "webhook", "mesh", "canary", "sluice-cni")
	if err != nil {
		return nil, err
	}
	return []image.Spec{{
		Names:  b.names("sluice"),
		Layers: []image.Layer{base(), commands},
		User:   "65532:65532",
		Env:    []string{pathEnv},
	}}, nil
}

func (b Builder) proxy(ctx context.Context) ([]image.Spec, error) {
	dir, err := b.Cache.Envoy(ctx)
	if err != nil {
		return nil, err
	}
	// A layer of its own below ours: it is large and never changes.
	envoy, err := image.Programs(map[string]string{"/usr/local/bin/envoy": filepath.Join(dir, "envoy")})
	if err != nil {
		return nil, err
	}
	commands, err := b.commands(ctx, "/usr/local/bin/", "proxyinit", "proxyctl")
	if err != nil && !errors.Is(err, ErrNoCommands) { // Envoy alone is of use
		return nil, err
	}
	return []image.Spec{{
		Names:      b.names("sluice-proxy"),
		Layers:     []image.Layer{base(), envoy, commands},
		Entrypoint: []string{"/usr/local/bin/envoy"},
		User:       "1337:1337",
		Env:        []string{pathEnv},
	}}, nil
}

func (b Builder) loadtester(ctx context.Context) ([]image.Spec, error) {
	tools, err := b.hostTools(ctx)
	if err != nil {
		return nil, err
	}
	dirs, err := b.Cache.Ensure(ctx, "hey")
	if err != nil {
		return nil, err
	}
	commands, err := b.commands(ctx, "/usr/local/bin/", "loadtester")
	if err != nil {
		return nil, err
	}
	commands = append(commands,
		image.File{Path: "/usr/local/bin/hey", Source: filepath.Join(dirs[0], "hey"), Mode: 0o755},
		// Manifests written for Flagger's load tester start "./loadtester".
		image.File{Path: "/home/app/loadtester", Link: "/usr/local/bin/loadtester"},
	)
	return []image.Spec{{
		Names:      b.names("sluice-loadtester"),
		Layers:     []image.Layer{base(), tools, commands},
		Entrypoint: []string{"/usr/local/bin/loadtester"},
		User:       "65532:65532",
		WorkingDir: "/home/app",
		Env:        []string{pathEnv, "HOME=/home/app"},
	}}, nil
}

// podinfo is one program under three tags; only the stamp in it differs.
func (b Builder) podinfo(ctx context.Context) ([]image.Spec, error) {
	dirs, err := b.Cache.Ensure(ctx, "podinfo")
	if err != nil {
		return nil, err
	}
	ui, err := image.Tree(filepath.Join(dirs[0], "ui"), "/home/app/ui")
	if err != nil {
		return nil, err
	}
	shared := append(ui, image.File{Path: "/usr/local/bin/podcli", Source: filepath.Join(dirs[0], "podcli"), Mode: 0o755})
	var specs []image.Spec
	for _, tag := range build.PodinfoTags {
		program := image.File{Path: "/home/app/podinfo", Source: filepath.Join(dirs[0], "podinfo-"+tag), Mode: 0o755}
		specs = append(specs, image.Spec{
			Names:      []string{"ghcr.io/stefanprodan/podinfo:" + tag, "docker.io/stefanprodan/podinfo:" + tag},
			Layers:     []image.Layer{base(), shared, {program}},
			Cmd:        []string{"./podinfo"},
			User:       "100:101",
			WorkingDir: "/home/app",
			Env:        []string{pathEnv, "HOME=/home/app"},
		})
	}
	return specs, nil
}

func (b Builder) names(image string) []string {
	return []string{"ghcr.io/sluice-mesh/" + image + ":" + b.Version}
}

// commands builds programs of the repository into a layer. One that does not
// exist in this checkout is left out, aloud.
func (b Builder) commands(ctx context.Context, dir string, names ...string) (image.Layer, error) {
	var layer image.Layer
	for _, name := range names {
		if sources, _ := filepath.Glob(filepath.Join(b.Repository, "cmd", name, "*.go")); len(sources) == 0 {
			fmt.Fprintf(b.Log, "there is no cmd/%s in this checkout; the image goes without it\n", name)
			continue
		}
		program, err := b.program(ctx, "cmd/"+name)
		if err != nil {
			return nil, err
		}
		layer = append(layer, image.File{Path: dir + name, Source: program, Mode: 0o755})
	}
	if len(layer) == 0 {
		return nil, ErrNoCommands
	}
	return layer, nil
}

// program builds one package of the repository and returns where the program is.
func (b Builder) program(ctx context.Context, pkg string) (string, error) {
	out := filepath.Join(b.Cache.Root, "bin")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", fmt.Errorf("make a folder to build in: %w", err)
	}
	to := filepath.Join(out, filepath.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+b.Version, "-o", to, "./"+pkg)
	cmd.Dir = b.Repository
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, output)
	}
	return to, nil
}
