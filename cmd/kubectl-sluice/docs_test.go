package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/test/realenvoy"
)

const page = "../../docs/kubectl-sluice.md"

// TestDocumentedCommands runs every block of the page that shows a terminal, and holds what is printed against the page.
func TestDocumentedCommands(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	dir := terminal(t)
	blocks := strings.Split(string(text), "```console\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the page shows no terminal")
	}
	for _, block := range blocks {
		want, _, ok := strings.Cut(block, "```")
		if !ok {
			t.Fatalf("this block does not end: %s", block)
		}
		// The page's files in /tmp are in the test's own directory.
		want = strings.ReplaceAll(want, "/tmp/", dir+"/")
		cmd := exec.Command("sh", "-c", session(want))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+string(filepath.ListSeparator)+os.Getenv("PATH"))
		// The exit code is that of the last command, which may be meant to fail.
		got, err := cmd.CombinedOutput()
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%v (-page +printed):\n%s", err, diff)
		}
	}
}

// session makes a script of a terminal's text, which prints that text if the commands do what it says.
func session(block string) string {
	script := []string{"exec 2>&1", "rc=0"}
	for line := range strings.Lines(block) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			command = strings.TrimSpace(command)
			quoted := "'" + strings.ReplaceAll(command, "'", `'\''`) + "'"
			script = append(script, "printf '$ %s\\n' "+quoted, "(exit $rc)", command, "rc=$?")
		}
	}
	return strings.Join(script, "\n")
}

// terminal makes a directory where the commands can run: the repository's config, kubectl and Envoy.
func terminal(t *testing.T) string {
	t.Helper()
	envoy := realenvoy.Path(t)
	dir := t.TempDir()
	link(t, filepath.Join("..", "..", "config"), filepath.Join(dir, "config"))
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, envoy, filepath.Join(dir, "bin", "envoy"))
	link(t, realKubectl(t), filepath.Join(dir, "bin", "kubectl"))
	return dir
}

func realKubectl(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"))
	if err != nil {
		const missing = "KUBEBUILDER_ASSETS names no directory with kubectl"
		if os.Getenv("SLUICE_REQUIRE") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing + ": set it to run this test")
	}
	return path
}

func link(t *testing.T, from, to string) {
	t.Helper()
	from, err := filepath.Abs(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestKubectlCompletes asks kubectl for completion, which asks the executable that the page describes.
func TestKubectlCompletes(t *testing.T) {
	kubectl := realKubectl(t)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<<'END'\n")
	script, _, ok := strings.Cut(rest, "END\n")
	if !ok {
		t.Fatal("the page does not describe kubectl_complete-sluice")
	}
	bin := t.TempDir()
	link(t, kubectl, filepath.Join(bin, "kubectl"))
	if err := os.WriteFile(filepath.Join(bin, "kubectl_complete-sluice"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("kubectl", "__complete", "sluice", "config", "--part", "")
	cmd.Path = filepath.Join(bin, "kubectl")
	cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "\nroutes\n") {
		t.Errorf("%v: kubectl suggests\n%s", err, out)
	}
}
