package node

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

// record is what is remembered of a daemon. Start is when the kernel says it
// began, in clock ticks since boot: together with the number it names one
// process for good, so a number that was given out again is never taken for it.
type record struct {
	Name  string `json:"name"`
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// daemon is a program to start.
type daemon struct {
	name string
	argv []string
	env  []string
}

// enter moves a shell into the daemons' cgroups and then becomes the program.
// A child cannot be started inside of a version 1 cgroup, and moving it
// afterwards would miss what it starts in between.
const enter = `for dir in $CGROUPS; do echo $$ >"$dir/cgroup.procs" || exit 126; done; unset CGROUPS; exec "$@"`

// start runs a daemon in a session of its own, with its log, and records it.
func (d daemon) start() error {
	log, err := os.OpenFile(filepath.Join(LogDir(), d.name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", d.name, err)
	}
	defer log.Close()
	tracking, err := trackingDir()
	if err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", enter, "sh"}, d.argv...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = Dir
	cmd.Env = append(append(os.Environ(), "CGROUPS="+filepath.Join(tracking, "daemons")), d.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C in this terminal is not for it
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", d.name, err)
	}
	// Without Wait a daemon that dies at once would stay as a zombie and look alive.
	go func() { _ = cmd.Wait() }()
	start, err := startTime(cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("start %s: it ended at once; see %s: %w", d.name, log.Name(), err)
	}
	return record{Name: d.name, PID: cmd.Process.Pid, Start: start}.save()
}

func (r record) save() error {
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record %s: %w", r.Name, err)
	}
	if err := os.WriteFile(path("pids", r.Name+".json"), content, 0o644); err != nil {
		return fmt.Errorf("record %s: %w", r.Name, err)
	}
	return nil
}

// records reads what was started here, by name.
func records(dir string) ([]record, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	var all []record
	for _, file := range found {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a daemon's record: %w", err)
		}
		var r record
		if err := json.Unmarshal(content, &r); err != nil {
			return nil, fmt.Errorf("read a daemon's record %s: %w", file, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// alive says whether this very process still runs.
func (r record) alive() bool {
	start, err := startTime(r.PID)
	return err == nil && start == r.Start
}

// stop asks the process to end and waits for a moment. It is only the polite
// part: what does not listen is killed with the cgroup.
func (r record) stop(patience time.Duration) {
	if !r.alive() {
		return
	}
	_ = syscall.Kill(r.PID, syscall.SIGTERM)
	for deadline := time.Now().Add(patience); r.alive() && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
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
