package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Cgroup is the parent of every process of the cluster: daemons and shims in
// one child, the pods in others that the kubelet makes. Because a process stays
// in its cgroup whoever its parent is, nothing that the cluster started can
// hide from Down, and nothing else can be in there.
const Cgroup = "/sluice-cluster"

const cgroupFS = "/sys/fs/cgroup"

// hierarchies lists the mount points of cgroups: the only one of version 2, or
// one per controller of version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(cgroupFS + "/cgroup.controllers"); err == nil {
		return []string{cgroupFS}, nil
	}
	mounts, err := readMounts()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, m := range mounts {
		if m.kind == "cgroup" || m.kind == "cgroup2" {
			found = append(found, m.point)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("find the cgroups: none are mounted below %s", cgroupFS)
	}
	return found, nil
}

// makeCgroup creates the parent and the daemons' child in every hierarchy: the
// kubelet wants its parent to be in all of them.
func makeCgroup() error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		dir := filepath.Join(root, Cgroup, "daemons")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make the cgroup %s (is the file system writable here?): %w", dir, err)
		}
		if err := prepareCpuset(root); err != nil {
			return err
		}
	}
	return nil
}

// prepareCpuset copies the parent's cores and memory nodes: in version 1 a new
// cpuset is empty, and no process may enter an empty one.
func prepareCpuset(root string) error {
	if filepath.Base(root) != "cpuset" {
		return nil
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		for _, dir := range []string{Cgroup, Cgroup + "/daemons"} {
			if err := os.WriteFile(filepath.Join(root, dir, file), value, 0o644); err != nil {
				return fmt.Errorf("write %s of %s: %w", file, dir, err)
			}
		}
	}
	return nil
}

// trackingDir is the parent's folder in the hierarchy that is used to find
// processes: the only one, or that of a controller that runc always uses.
func trackingDir() (string, error) {
	roots, err := hierarchies()
	if err != nil {
		return "", err
	}
	for _, name := range []string{"pids", "memory", "freezer"} {
		for _, root := range roots {
			if filepath.Base(root) == name {
				return filepath.Join(root, Cgroup), nil
			}
		}
	}
	return filepath.Join(roots[0], Cgroup), nil
}

// members lists the processes in a cgroup and below it.
func members(dir string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a container ended while we looked
		}
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		content, err := os.ReadFile(p)
		if err != nil {
			return nil //nolint:nilerr // likewise
		}
		for _, field := range strings.Fields(string(content)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	slices.Sort(pids)
	return pids, err
}

// killAll ends every process in a cgroup, at once, until there is none.
func killAll(dir string, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		pids, err := members(dir)
		if err != nil {
			return fmt.Errorf("list the processes of %s: %w", dir, err)
		}
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end the processes of %s: %v are still there; try again", dir, pids)
		}
		thaw()
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // one that is gone already is fine
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// thaw lets frozen processes die: in version 1 a frozen one ignores even
// SIGKILL, and runc may have been interrupted between freezing and thawing.
func thaw() {
	freezer := filepath.Join(cgroupFS, "freezer", Cgroup)
	_ = filepath.WalkDir(freezer, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "freezer.state" {
			_ = os.WriteFile(p, []byte("THAWED"), 0o644)
		}
		return nil
	})
}

// removeCgroup takes the cgroups away again, the innermost first.
func removeCgroup() error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	var failed error
	for _, root := range roots {
		var dirs []string
		top := filepath.Join(root, Cgroup)
		_ = filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, p)
			}
			return nil
		})
		slices.Reverse(dirs) // WalkDir visits a folder before what is in it
		for _, dir := range dirs {
			if err := removeBusy(dir); err != nil {
				failed = errors.Join(failed, fmt.Errorf("remove the cgroup %s: %w", dir, err))
			}
		}
	}
	return failed
}

// removeBusy tries for a moment: the kernel lets go of an empty cgroup only
// after the last process in it has been reaped.
func removeBusy(dir string) error {
	var err error
	for range 40 {
		if err = os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}
