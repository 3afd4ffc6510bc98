package build

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// job is one component on its way into one folder.
type job struct {
	Component
	module string // the folder of the component's go.mod
	out    string
	log    io.Writer
}

// compile links every program of the component and makes its further names.
func compile(ctx context.Context, j job) error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("build %s: there is no Go toolchain on PATH: install Go 1.26 or later", j.Name)
	}
	progress := startProgress(j.log, j.Name+" "+j.Version, j.countPackages(ctx))
	defer progress.stop()
	for _, binary := range j.Binaries {
		if err := j.link(ctx, binary, progress); err != nil {
			return err
		}
		for _, name := range binary.Links {
			if err := os.Symlink(binary.Name, filepath.Join(j.out, name)); err != nil {
				return fmt.Errorf("name %s: %w", name, err)
			}
		}
	}
	for module, folder := range j.Copy {
		if err := j.copyFolder(ctx, module, folder); err != nil {
			return err
		}
	}
	progress.done()
	return nil
}

// link builds one program. -v names each package as it is compiled, which is
// all that the go command tells of how far it is.
func (j job) link(ctx context.Context, binary Binary, progress *progress) error {
	flags := binary.LDFlags
	if flags == "" {
		flags = "-s -w"
	}
	args := []string{"build", "-v", "-trimpath", "-ldflags", flags, "-o", filepath.Join(j.out, binary.Name)}
	if j.Tags != "" {
		args = append(args, "-tags", j.Tags)
	}
	cmd := j.golang(ctx, append(args, binary.Package)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("build %s: %w", binary.Name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: %w", binary.Name, err)
	}
	var complaints bytes.Buffer
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		line := lines.Text()
		if isPackage(line) {
			progress.step()
			continue
		}
		if strings.HasPrefix(line, "go: downloading ") {
			progress.note("downloading " + strings.TrimPrefix(line, "go: downloading "))
			continue
		}
		fmt.Fprintln(&complaints, line)
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("build %s: interrupted; what was compiled so far is kept, run it again to go on", binary.Name)
		}
		return fmt.Errorf("build %s: %w\n%s", binary.Name, err, complaints.String())
	}
	return nil
}

// copyFolder keeps a folder of plain files (podinfo's page) with the programs.
func (j job) copyFolder(ctx context.Context, module, folder string) error {
	out, err := j.golang(ctx, "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return fmt.Errorf("find the files of %s: %w", module, err)
	}
	from := filepath.Join(strings.TrimSpace(string(out)), folder)
	to := filepath.Join(j.out, folder)
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return fmt.Errorf("copy %s of %s: %w", folder, module, err)
	}
	return nil
}

// countPackages is the length of the progress bar; zero when it is unknown.
func (j job) countPackages(ctx context.Context) int {
	args := []string{"list", "-deps"}
	if j.Tags != "" {
		args = append(args, "-tags", j.Tags)
	}
	for _, b := range j.Binaries {
		args = append(args, b.Package)
	}
	out, err := j.golang(ctx, args...).Output()
	if err != nil {
		return 0 // the build itself will say what is wrong
	}
	return bytes.Count(out, []byte("\n"))
}

// golang prepares a go command in the component's module. The environment is
// set so that a developer's own settings (a workspace, a vendor mode, race
// detection by GOFLAGS, another platform) do not change what is built.
func (j job) golang(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = j.module
	cmd.Env = append(os.Environ(),
		"CGO_ENABLED=0", // the programs run in images without a C library
		"GOFLAGS=-buildvcs=false",
		"GOWORK=off",
		"GOOS=linux",
		"GO111MODULE=on",
	)
	return cmd
}

// isPackage tells the import paths that -v prints from compiler output.
func isPackage(line string) bool {
	return line != "" && !strings.ContainsAny(line, " \t:#")
}
