//go:build e2e

package e2e

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// traces lists what a cluster could leave on the machine: devices, tables, mounts, processes, host names.
// Only what carries our names counts, since other programs come and go.
func traces() []string {
	var out []string
	for what, command := range map[string][]string{
		"device":    {"ip", "-o", "link"},
		"nft table": {"nft", "list", "tables"},
		"mount":     {"mount"},
		// What outlives the cluster has lost its parent; other programs' children are none of ours, whatever they are called.
		"process": {"ps", "--ppid", "1", "-o", "pid,args"},
		"host":    {"cat", "/etc/hosts"},
	} {
		text, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			out = append(out, what+": "+strings.TrimSpace(line))
		}
	}
	return out
}

// numbers vary from run to run without meaning anything: device indexes and pids.
var numbers = regexp.MustCompile(`^(device: |process: +)\d+:?`)

// ours names what a cluster of ours is made of.
var ours = regexp.MustCompile(`sluice|kube|etcd|containerd|cni|veth|coredns|envoy|pause|podinfo`)

func leftovers(before, after []string) []string {
	strip := func(s string) string { return numbers.ReplaceAllString(s, "$1") }
	known := map[string]bool{}
	for _, s := range before {
		known[strip(s)] = true
	}
	return slices.DeleteFunc(slices.Clone(after), func(s string) bool {
		// The test itself, and the commands that made these lists, are running still.
		return known[strip(s)] || !ours.MatchString(s) || strings.Contains(s, "e2e.test") || strings.Contains(s, "go test")
	})
}
