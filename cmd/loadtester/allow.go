package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// anyCommand as the list of allowed programs allows all, and shells as they are.
const anyCommand = "*"

// defaultCommands generate load, check answers, or work on their output. None of them runs other programs, which is why
// others that are as common (sed, awk, sort, find, xargs, env, timeout) are not here.
var defaultCommands = []string{
	"hey", "curl", "jq", "ghz", "grpc_health_probe",
	"basename", "cat", "cut", "date", "false", "grep", "head", "seq", "sleep", "tail", "tr", "true", "uniq", "wc",
}

// commands says which programs tasks may run, and runs shells that keep to it.
type commands struct {
	// dir holds links to the programs, and nothing else; empty when all are allowed.
	dir string
	// bash is the shell that keeps to it.
	bash    string
	allowed []string
}

// allow prepares for tasks that may run the given programs. The enforcement is bash's restricted mode: a command finds
// programs in the PATH alone, which it cannot change, it cannot name any by a path, and it cannot write files. Of what
// it is allowed, nothing runs anything else.
func allow(programs []string) (*commands, error) {
	if slices.Contains(programs, anyCommand) {
		return &commands{}, nil
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		return nil, fmt.Errorf("-allow-commands needs bash, which keeps tasks to the list: %w", err)
	}
	dir, err := tempDir()
	if err != nil {
		return nil, err
	}
	c := &commands{dir: dir, bash: bash}
	for _, name := range programs {
		if strings.ContainsRune(name, filepath.Separator) {
			return nil, fmt.Errorf("-allow-commands: %q has a slash; programs are allowed by their names", name)
		}
		path, err := exec.LookPath(name)
		if err != nil {
			continue // an image without it; the error of a task says what there is
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			return nil, fmt.Errorf("allow %s: %w", name, err)
		}
		c.allowed = append(c.allowed, name)
	}
	// Nobody adds to it, not even a program that is allowed and writes files.
	return c, os.Chmod(dir, 0o555) //nolint:gosec // a directory that can be read
}

// tempDir finds a place that can be written, which a container with a read-only root file system may not have.
func tempDir() (string, error) {
	var failures []error
	for _, parent := range []string{os.TempDir(), "/dev/shm"} {
		dir, err := os.MkdirTemp(parent, "allowed-")
		if err == nil {
			return dir, nil
		}
		failures = append(failures, err)
	}
	return "", fmt.Errorf("-allow-commands needs a directory that it can write, such as an emptyDir at /tmp: %w", errors.Join(failures...))
}

// command is a task's command as it is run.
func (c *commands) command(t task) (name string, args, env []string) {
	if c.dir == "" {
		return t.shell, []string{"-c", t.command}, nil
	}
	args = []string{"--noprofile", "--norc", "--restricted", "-c", t.command}
	if t.shell == "sh" {
		args = append([]string{"--posix"}, args...)
	}
	for _, variable := range os.Environ() {
		switch name, _, _ := strings.Cut(variable, "="); name {
		case "PATH", "SHELL", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS":
		default:
			env = append(env, variable)
		}
	}
	return c.bash, args, append(env, "PATH="+c.dir)
}

// hint says what is allowed, after a command that failed because it wanted something else.
func (c *commands) hint(output string) string {
	if c.dir == "" || !strings.Contains(output, "command not found") && !strings.Contains(output, "restricted") {
		return ""
	}
	return fmt.Sprintf("; tasks run the programs %s, by their names, and write no files (-allow-commands)", strings.Join(c.allowed, ", "))
}

// close removes what allow made.
func (c *commands) close() error {
	if c.dir == "" {
		return nil
	}
	return errors.Join(os.Chmod(c.dir, 0o700), os.RemoveAll(c.dir)) //nolint:gosec // to remove it
}
