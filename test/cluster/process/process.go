// Package process starts programs that outlive us and remembers them, so that a
// later run ends exactly them: a number and a start time name one process.
package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Record is what is remembered of a process. Start is when the kernel says it
// began, in clock ticks since boot: together with the number it names one
// process for good, so a number that was given out again is never taken for it.
type Record struct {
	Name  string `json:"name"`
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// Spec is a program to start.
type Spec struct {
	Name string
	Argv []string
	Env  []string // added to ours
	Dir  string   // its working directory
	Log  string   // the file that gets what it prints
}

// Start runs a program in a session of its own, so that a Ctrl-C in this
// terminal is not for it, and saves its record in a folder.
func Start(s Spec, records string) error {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", s.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(s.Argv[0], s.Argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	// Without Wait one that dies at once would stay as a zombie and look alive.
	go func() { _ = cmd.Wait() }()
	start, err := startTime(cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("start %s: it ended at once; see %s: %w", s.Name, s.Log, err)
	}
	return Record{Name: s.Name, PID: cmd.Process.Pid, Start: start}.save(records)
}

func (r Record) save(dir string) error {
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record %s: %w", r.Name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, r.Name+".json"), content, 0o644); err != nil {
		return fmt.Errorf("record %s: %w", r.Name, err)
	}
	return nil
}

// Records reads what was started, by name.
func Records(dir string) ([]Record, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	var all []Record
	for _, file := range found {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a process's record: %w", err)
		}
		var r Record
		if err := json.Unmarshal(content, &r); err != nil {
			return nil, fmt.Errorf("read a process's record %s: %w", file, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// Alive says whether this very process still runs.
func (r Record) Alive() bool {
	start, err := startTime(r.PID)
	return err == nil && start == r.Start
}

// Stop asks the process to end and waits for a moment.
func (r Record) Stop(patience time.Duration) {
	r.Ask()
	for deadline := time.Now().Add(patience); r.Alive() && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
}

// Ask asks the process to end and does not wait.
func (r Record) Ask() {
	if r.Alive() {
		_ = syscall.Kill(r.PID, syscall.SIGTERM)
	}
}

// startTime reads when a process began. A zombie counts as gone.
func startTime(pid int) (uint64, error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		if errors.Is(err, syscall.ESRCH) {
			err = fs.ErrNotExist
		}
		return 0, err
	}
	return parseStat(string(content))
}

// parseStat finds field 22. The name in field 2 may hold spaces and brackets,
// so counting begins after the last closing one.
func parseStat(stat string) (uint64, error) {
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("read a process's state: it has %d fields", len(fields))
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, fs.ErrNotExist
	}
	return strconv.ParseUint(fields[19], 10, 64)
}
