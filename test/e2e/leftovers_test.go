//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// traces lists what a cluster could leave on the machine: devices, tables, mounts, host names and processes.
// Only what carries our names counts, since other programs come and go.
func traces() []string {
	out := processes()
	for what, command := range map[string][]string{
		"device":    {"ip", "-o", "link"},
		"nft table": {"nft", "list", "tables"},
		"mount":     {"mount"},
		"host":      {"cat", "/etc/hosts"},
	} {
		text, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); ours.MatchString(line) {
				out = append(out, what+": "+line)
			}
		}
	}
	return out
}

// processes lists those of the cluster: whatever ran in its cgroup, which includes every pod, or works in its folder.
func processes() []string {
	var out []string
	files, _ := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, file := range files {
		groups, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		command, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if bytes.Contains(groups, []byte("/sluice-cluster")) || bytes.Contains(command, []byte("/var/lib/sluice-cluster")) {
			out = append(out, fmt.Sprintf("process: %s %s", filepath.Base(filepath.Dir(file)), bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
		}
	}
	return out
}

// numbers vary from run to run without meaning anything: device indexes.
var numbers = regexp.MustCompile(`^(device: )\d+:?`)

// ours names what a cluster of ours leaves.
var ours = regexp.MustCompile(`sluice|kube|containerd|cni|veth`)

func leftovers(before, after []string) []string {
	strip := func(s string) string { return numbers.ReplaceAllString(s, "$1") }
	known := map[string]bool{}
	for _, s := range before {
		known[strip(s)] = true
	}
	return slices.DeleteFunc(slices.Clone(after), func(s string) bool { return known[strip(s)] })
}
