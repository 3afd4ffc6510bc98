package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTasksKeepToTheList tries to run what is not allowed, in the ways that shells offer.
func TestTasksKeepToTheList(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "ran")
	allowed, err := allow([]string{"cat", "seq", "true", "no-such-program"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := allowed.close(); err != nil {
			t.Error(err)
		}
	})
	s := testerOf(t, config{timeout: time.Minute, maxTasks: 5, commands: allowed}, "")
	run := func(command string) (int, string) {
		return s.post(t, "/", fmt.Sprintf(`{"name":"a","namespace":"test","metadata":{"type":"bash","returnCmdOutput":"true","cmd":%q}}`, command))
	}
	for _, command := range []string{"seq 2 | cat", "x=$(seq 2); echo \"$x\"", "[[ 1 -lt 2 ]] && seq 2", "true && seq 2 2>&1"} {
		if status, text := run(command); status != 200 || text != "1\n2\n" {
			t.Errorf("%s: %d %q", command, status, text)
		}
	}
	touch := "touch " + secret
	for _, command := range []string{
		touch, "/usr/bin/" + touch, "/bin/sh -c '" + touch + "'", "PATH=/usr/bin:/bin; " + touch, "PATH=/usr/bin:/bin " + touch,
		"export PATH=/usr/bin:/bin && " + touch, "eval '" + touch + "'", "$(echo touch) " + secret, "exec /usr/bin/" + touch,
		"command -p " + touch, "echo ran > " + secret, "seq 2 >> " + secret, "set +r; " + touch, "bash -c '" + touch + "'",
		"hash -p /usr/bin/touch x; x " + secret, "enable -f /usr/lib/bash/x x", "x='a[$(/usr/bin/" + touch + ")]'; ((x)); false",
		". /etc/profile", "trap '/usr/bin/" + touch + "' EXIT; false", "BASH_ENV=/x /usr/bin/" + touch, "exec 3<>/dev/tcp/127.0.0.1/1",
	} {
		if status, text := run(command); status != 500 {
			t.Errorf("%s: %d %q", command, status, text)
		}
		if _, err := os.Stat(secret); err == nil {
			t.Fatalf("%s ran", command)
		}
	}
	const hint = "; tasks run the programs cat, seq, true, by their names, and write no files (-allow-commands)"
	if _, text := run("hey http://a"); !strings.Contains(text, "hey: command not found") || !strings.Contains(text, hint) {
		t.Errorf("the answer does not say what is allowed: %s", text)
	}
	// The background task's shell is as restricted.
	s.post(t, "/", fmt.Sprintf(`{"name":"a","namespace":"test","metadata":{"cmd":"/usr/bin/touch %s"}}`, secret))
	s.runner.work.Wait()
	if _, err := os.Stat(secret); err == nil {
		t.Error("a background task ran what is not allowed")
	}
}

func TestAllCommandsIfToldSo(t *testing.T) {
	c, err := allow([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	name, args, env := c.command(task{shell: "sh", command: "touch /tmp/x"})
	if name != "sh" || strings.Join(args, " ") != "-c touch /tmp/x" || env != nil || c.hint("command not found") != "" {
		t.Errorf("%s %v %v", name, args, env)
	}
}

// TestTheDefaultListRunsTheDemo allows what the manifests of this repository ask for.
func TestTheDefaultListRunsTheDemo(t *testing.T) {
	for _, path := range []string{"../../config/demo/canary.yaml", "../../docs/hooks-and-alerts.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for line := range strings.Lines(string(text)) {
			_, command, ok := strings.Cut(strings.TrimSpace(line), "cmd: \"")
			if !ok {
				continue
			}
			for _, part := range strings.Split(command, "|") {
				found++
				if program := strings.Fields(part)[0]; !strings.Contains(","+strings.Join(defaultCommands, ",")+",", ","+program+",") {
					t.Errorf("%s: %s is not allowed", path, program)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s has no command", path)
		}
	}
}

func TestMoreTasksThanThereIsRoomForAreRefused(t *testing.T) {
	s := testerOf(t, config{timeout: time.Minute, maxTasks: 1}, "")
	if status, text := s.post(t, "/", `{"name":"a","namespace":"test","metadata":{"cmd":"sleep 30"}}`); status != 202 {
		t.Fatal(status, text)
	}
	for _, metadata := range []string{`{"cmd":"sleep 31"}`, `{"type":"bash","cmd":"true"}`} {
		status, text := s.post(t, "/", `{"name":"a","namespace":"test","metadata":`+metadata+`}`)
		if status != 429 || text != "too many commands run at the same time: 1 (-max-tasks)" {
			t.Errorf("%s: %d %q", metadata, status, text)
		}
	}
	if _, text := s.get(t, "/metrics"); !strings.Contains(text, `sluice_loadtester_requests_refused_total{code="429"} 2`) ||
		!strings.Contains(text, `sluice_loadtester_tasks_running{shell="sh"} 1`) {
		t.Error(text)
	}
}

func TestOnlyTheEndOfALongOutputIsKept(t *testing.T) {
	s := newTester(t, time.Minute, "")
	status, text := s.post(t, "/", `{"name":"a","namespace":"test","metadata":{"type":"bash","returnCmdOutput":"true","cmd":"seq 100000"}}`)
	if status != 200 || !strings.HasSuffix(text, "\n100000\n") || !strings.HasPrefix(text, "(") || len(text) > maxOutput+100 {
		t.Errorf("%d, %d bytes: %.60s", status, len(text), text)
	}
}
