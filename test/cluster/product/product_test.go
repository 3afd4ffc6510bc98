package product

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-mesh/sluice/test/cluster/build"
	"github.com/sluice-mesh/sluice/test/cluster/image"
)

// repo makes a small checkout with the named commands.
func repo(t *testing.T, commands ...string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"go.mod": "module example.test/repo\n\ngo 1.26\n"}
	for _, c := range commands {
		files["cmd/"+c+"/main.go"] = "package main\n\nvar version string\n\nfunc main() { println(version) }\n"
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCommandsThatExistGoInAndTheOthersAreNamed(t *testing.T) {
	var log bytes.Buffer
	b := Builder{Repository: repo(t, "webhook"), Cache: &build.Cache{Root: t.TempDir()}, Version: "dev", Log: &log}
	images, err := b.Build(context.Background(), "sluice")
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != 1 || !slices.Equal(images[0].Names, []string{"ghcr.io/sluice-mesh/sluice:dev"}) {
		t.Errorf("got %+v", images)
	}
	if !strings.Contains(log.String(), "there is no cmd/canary") || strings.Contains(log.String(), "cmd/webhook") {
		t.Errorf("said %q", log.String())
	}
}

func TestAnImageWithoutAnyCommandIsNotMade(t *testing.T) {
	b := Builder{Repository: repo(t), Cache: &build.Cache{Root: t.TempDir()}, Version: "dev", Log: &bytes.Buffer{}}
	if _, err := b.Build(context.Background(), "sluice"); !errors.Is(err, ErrNoCommands) {
		t.Errorf("got %v", err)
	}
}

func TestUnknownImagesNameTheKnown(t *testing.T) {
	if _, err := (Builder{}).Build(context.Background(), "nginx"); err == nil || !strings.Contains(err.Error(), "podinfo") {
		t.Errorf("got %v", err)
	}
}

func TestBaseHasTheUsersThatImagesRunAs(t *testing.T) {
	i := slices.IndexFunc(base(), func(f image.File) bool { return f.Path == "/etc/passwd" })
	passwd := string(base()[i].Content)
	for _, id := range []string{":100:101:", ":1337:1337:", ":65532:65532:"} {
		if !strings.Contains(passwd, id) {
			t.Errorf("nobody is %s", id)
		}
	}
}
