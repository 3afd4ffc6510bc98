package node

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// mount is one line of the kernel's list.
type mount struct {
	point string
	kind  string
}

func readMounts() ([]mount, error) {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read the list of mounts: %w", err)
	}
	return parseMounts(string(content)), nil
}

// parseMounts reads mountinfo: the fifth field is where, and the first after
// the lone dash is what. Spaces in a path are written as octal numbers.
func parseMounts(info string) []mount {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var mounts []mount
	for line := range strings.Lines(info) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		kind := strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) == 0 {
			continue
		}
		mounts = append(mounts, mount{point: unescape.Replace(fields[4]), kind: kind[0]})
	}
	return mounts
}

// below filters the mount points at dir or inside it, the last mounted first:
// that is the order in which they can be unmounted.
func below(mounts []mount, dir string) []string {
	var points []string
	for _, m := range mounts {
		if m.point == dir || strings.HasPrefix(m.point, dir+"/") {
			points = append(points, m.point)
		}
	}
	slices.Reverse(points)
	return points
}

// unmountAll takes away what containers and volumes left mounted below dir.
func unmountAll(dir string) error {
	mounts, err := readMounts()
	if err != nil {
		return err
	}
	var failed error
	for _, point := range below(mounts, dir) {
		// Detached at once and freed when the last user lets go: all users
		// are processes of ours that have just been killed.
		err := syscall.Unmount(point, syscall.MNT_DETACH|umountNoFollow)
		if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			failed = errors.Join(failed, fmt.Errorf("unmount %s: %w", point, err))
		}
	}
	return failed
}

// umountNoFollow is UMOUNT_NOFOLLOW: do not leave Dir through a symbolic link.
const umountNoFollow = 0x8
