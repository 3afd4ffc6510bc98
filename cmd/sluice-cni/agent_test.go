package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	calico     = "{\n  \"name\": \"net\",\n  \"cniVersion\": \"1.0.0\",\n  \"plugins\": [\n    {\"type\": \"calico\", \"x\": 1}\n  ]\n}\n"
	withPlugin = "{\n  \"name\": \"net\",\n  \"cniVersion\": \"1.0.0\",\n  \"plugins\": [\n    {\"type\": \"calico\", \"x\": 1},\n" +
		"    {\"type\": \"sluice-cni\", \"capabilities\": {\"io.kubernetes.cri.pod-annotations\": true}}\n  ]\n}\n"
)

var discard = slog.New(slog.DiscardHandler)

// machine is the two folders of a node.
type machine struct {
	t         *testing.T
	bin, conf string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	dir := t.TempDir()
	m := machine{t: t, bin: filepath.Join(dir, "bin"), conf: filepath.Join(dir, "conf")}
	for _, d := range []string{m.bin, m.conf} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// write replaces a file as other agents do.
func (m machine) write(name, text string) {
	m.t.Helper()
	tmp := filepath.Join(m.conf, name+".tmp")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(m.conf, name)); err != nil {
		m.t.Fatal(err)
	}
}

func (m machine) read(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.conf, name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

func (m machine) run(ctx context.Context, out io.Writer, verb string, more ...string) int {
	return run(ctx, append([]string{verb, "--bin-dir", m.bin, "--conf-dir", m.conf}, more...), out, out)
}

// start runs the agent until the returned function is called.
func (m machine) start(verb string, more ...string) (stop func()) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int)
	go func() { code <- m.run(ctx, io.Discard, verb, more...) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if got := <-code; got != exitDone {
			m.t.Errorf("%s ended with %d", verb, got)
		}
	}
	m.t.Cleanup(stop)
	return stop
}

// eventually waits until status says yes.
func (m machine) eventually(more ...string) {
	m.t.Helper()
	var out bytes.Buffer
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		out.Reset()
		if m.run(m.t.Context(), &out, verbStatus, more...) == exitDone {
			return
		}
	}
	m.t.Fatalf("not in time: %s", out.String())
}

// TestAgent installs before there is a network, holds on against another agent, stays when it is stopped, and goes
// without a trace.
func TestAgent(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if err := os.WriteFile(filepath.Join(m.conf, ".sluice-cni-1.tmp"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := m.start(verbInstall)
	m.write("10-calico.conflist", calico)
	m.eventually()
	if got := m.read("10-calico.conflist"); got != withPlugin {
		t.Errorf("got %s", got)
	}
	if info, err := os.Stat(filepath.Join(m.conf, "10-calico.conflist")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode: %v %v", info.Mode(), err)
	}
	for i := range 5 { // the node's own agent starts again and again
		m.write("10-calico.conflist", strings.Replace(calico, `"x": 1`, fmt.Sprintf(`"x": %d`, i), 1))
		m.eventually()
	}
	if err := os.Remove(filepath.Join(m.bin, "sluice-cni")); err != nil {
		t.Fatal(err)
	}
	m.eventually()
	m.write("05-cilium.conflist", calico) // another network takes over
	m.eventually()
	if got := m.read("05-cilium.conflist"); got != withPlugin {
		t.Errorf("got %s", got)
	}
	m.write("05-cilium.conflist", calico[:40]) // and writes without care
	time.Sleep(2 * pause)
	if got := m.read("05-cilium.conflist"); got != calico[:40] {
		t.Errorf("half a file was edited: %s", got)
	}
	m.write("05-cilium.conflist", calico)
	m.eventually()
	stop()
	m.eventually() // what it installed is still there

	stop = m.start(verbUninstall)
	m.eventually("--absent")
	stop()
	for name, want := range map[string]string{"05-cilium.conflist": calico, "10-calico.conflist": strings.Replace(calico, `"x": 1`, `"x": 4`, 1)} {
		if got := m.read(name); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
	for dir, want := range map[string]int{m.bin: 0, m.conf: 2} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != want {
			t.Errorf("%s: %v %v", dir, entries, err)
		}
	}
}

// TestUninstallKeepsTheProgram for runtimes that call a plugin once more for each pod that it was called for.
func TestUninstallKeepsTheProgram(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("10-calico.conflist", calico)
	stop := m.start(verbInstall)
	m.eventually()
	stop()
	m.start(verbUninstall, "--keep-program")
	m.eventually("--absent", "--keep-program")
	if _, err := os.Stat(filepath.Join(m.bin, "sluice-cni")); err != nil {
		t.Error(err)
	}
	if got := m.read("10-calico.conflist"); got != calico {
		t.Errorf("got %s", got)
	}
}

// TestTheEntryGoesFirst: there is no moment at which a conflist names a program that is not there.
func TestTheEntryGoesFirst(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("10-calico.conflist", calico)
	watching, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-watching:
				return
			case <-time.After(time.Millisecond):
			}
			text, _ := os.ReadFile(filepath.Join(m.conf, "10-calico.conflist"))
			_, err := os.Stat(filepath.Join(m.bin, "sluice-cni"))
			now, _ := os.ReadFile(filepath.Join(m.conf, "10-calico.conflist"))
			if err != nil && string(text) == withPlugin && string(now) == withPlugin {
				t.Errorf("a conflist names the program, which is not there: %v", err)
			}
		}
	}()
	stop := m.start(verbInstall)
	m.eventually()
	stop()
	m.start(verbUninstall)
	m.eventually("--absent")
	close(watching)
	<-done
}

// TestStatus says in a sentence what is missing.
func TestStatus(t *testing.T) {
	program := func(m machine) {
		a := agent{binDir: m.bin, log: discard}
		if err := a.putProgram(); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		prepare func(machine)
		args    []string
		want    string
	}{
		"no program":      {func(machine) {}, nil, "sluice-cni is not there, or not this version"},
		"another program": {func(m machine) { writeProgram(t, m, 0o755) }, nil, "sluice-cni is not there, or not this version"},
		"a program that cannot be run": {func(m machine) {
			program(m)
			if err := os.Chmod(filepath.Join(m.bin, "sluice-cni"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, nil, "sluice-cni is not there, or not this version"},
		"no network yet":           {program, nil, "has no conflist: the node's own network is not installed yet"},
		"a network that is one":    {func(m machine) { program(m); m.write("00-multus.conf", `{"type":"multus"}`) }, nil, "00-multus.conf is one plugin and no list"},
		"a list that is named":     {func(m machine) { program(m); m.write("00-multus.conf", "{}"); m.write("10.conflist", withPlugin) }, []string{"--conf-file=10.conflist"}, ""},
		"a list that is not there": {program, []string{"--conf-file=10.conflist"}, "10.conflist: no such file"},
		"a link to elsewhere": {func(m machine) {
			program(m)
			if err := os.Symlink("/elsewhere", filepath.Join(m.conf, "10.conflist")); err != nil {
				t.Fatal(err)
			}
		}, nil, "10.conflist is no regular file"},
		"not ours":           {func(m machine) { program(m); m.write("10.conflist", calico) }, nil, "10.conflist is still to be edited"},
		"done":               {func(m machine) { program(m); m.write("10.conflist", withPlugin) }, nil, ""},
		"not absent":         {func(m machine) { m.write("10.conflist", withPlugin) }, []string{"--absent"}, "10.conflist is still to be edited"},
		"half absent":        {program, []string{"--absent"}, "sluice-cni is still there"},
		"absent":             {func(m machine) { m.write("10.conflist", calico) }, []string{"--absent"}, ""},
		"a version of later": {func(m machine) { program(m); m.write("10.conflist", strings.Replace(calico, "1.0.0", "2.0.0", 1)) }, nil, `its cniVersion "2.0.0" is none of those`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			tc.prepare(m)
			var out bytes.Buffer
			code := m.run(t.Context(), &out, verbStatus, tc.args...)
			if tc.want == "" && (code != exitDone || out.Len() > 0) || tc.want != "" && (code != exitFailed || !strings.Contains(out.String(), tc.want)) {
				t.Errorf("got %d, %s", code, out.String())
			}
		})
	}
}

func writeProgram(t *testing.T, m machine, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.bin, "sluice-cni"), []byte("another"), mode); err != nil {
		t.Fatal(err)
	}
}

// TestTheirChangeIsNewer: what somebody else wrote after we read is never undone.
func TestTheirChangeIsNewer(t *testing.T) {
	m := newMachine(t)
	m.write("10.conflist", calico)
	a := agent{confDir: m.conf, log: discard}
	err := a.edit("10.conflist", func([]byte) ([]byte, error) {
		m.write("10.conflist", "theirs")
		return []byte("ours"), nil
	})
	if err == nil || !strings.Contains(err.Error(), "changed while it was being edited") {
		t.Errorf("got %v", err)
	}
	if got := m.read("10.conflist"); got != "theirs" {
		t.Errorf("got %s", got)
	}
	if entries, _ := os.ReadDir(m.conf); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestCommandLine(t *testing.T) {
	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		"help":          {[]string{"--help"}, 0, "sluice-cni install"},
		"help of verbs": {[]string{"install", "--help"}, 0, "sluice-cni uninstall"},
		"nothing":       {nil, 2, `"" is neither install nor uninstall nor status`},
		"a verb":        {[]string{"remove"}, 2, `"remove" is neither install nor uninstall nor status`},
		"a flag":        {[]string{"install", "--force"}, 2, "flag provided but not defined: -force; see sluice-cni --help"},
		"an argument":   {[]string{"install", "now"}, 2, `it takes no such argument: "now"`},
		"no such place": {[]string{"install", "--conf-dir=/nowhere"}, 1, "watch /nowhere"},
	}
	for name, tc := range tests {
		var out bytes.Buffer
		if code := run(t.Context(), tc.args, &out, &out); code != tc.code || !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: got %d, %s", name, code, out.String())
		}
	}
}
