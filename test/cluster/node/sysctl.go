package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sysctls are the kernel's settings that Up, the kubelet and kube-proxy change
// on the whole machine.
var sysctls = []string{
	watchersSetting,
	"net.ipv4.ip_forward",
	"net.netfilter.nf_conntrack_tcp_be_liberal",
	"kernel.keys.root_maxbytes",
	"kernel.keys.root_maxkeys",
	"kernel.panic",
	"kernel.panic_on_oops",
	"vm.overcommit_memory",
	"vm.panic_on_oom",
}

// watchersSetting bounds how many watchers of files a user may have. An Envoy of ours has four, all Envoys of a node are one
// user's, and many kernels allow 128.
const watchersSetting = "fs.inotify.max_user_instances"

// allowWatchers makes room for the Envoys of a node full of pods, unless there is enough already.
func allowWatchers() error {
	const enough = 8192
	text, err := os.ReadFile(sysctlFile(watchersSetting))
	if err != nil {
		return fmt.Errorf("read %s: %w", watchersSetting, err)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n >= enough {
		return nil
	}
	if err := os.WriteFile(sysctlFile(watchersSetting), []byte(strconv.Itoa(enough)+"\n"), 0o644); err != nil {
		return fmt.Errorf("set %s to %d: %w", watchersSetting, enough, err)
	}
	return nil
}

func sysctlFile(name string) string {
	return filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
}

// rememberSysctls keeps the settings as they are before a cluster.
func rememberSysctls() error {
	before := map[string]string{}
	for _, name := range sysctls {
		value, err := os.ReadFile(sysctlFile(name))
		if err != nil {
			continue // this kernel does not have it, so nobody can change it
		}
		before[name] = strings.TrimSpace(string(value))
	}
	content, err := json.MarshalIndent(before, "", "  ")
	if err != nil {
		return fmt.Errorf("remember the kernel's settings: %w", err)
	}
	if err := os.WriteFile(path("sysctls.json"), content, 0o644); err != nil {
		return fmt.Errorf("remember the kernel's settings: %w", err)
	}
	return nil
}

// restoreSysctls writes back those that differ.
func restoreSysctls() error {
	content, err := os.ReadFile(path("sysctls.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Up did not come that far
	}
	if err != nil {
		return fmt.Errorf("restore the kernel's settings: %w", err)
	}
	before := map[string]string{}
	if err := json.Unmarshal(content, &before); err != nil {
		return fmt.Errorf("restore the kernel's settings: %w", err)
	}
	var failed error
	for name, value := range before {
		now, err := os.ReadFile(sysctlFile(name))
		if err != nil || strings.TrimSpace(string(now)) == value {
			continue
		}
		if err := os.WriteFile(sysctlFile(name), []byte(value+"\n"), 0o644); err != nil {
			failed = errors.Join(failed, fmt.Errorf("set %s back to %s: %w", name, value, err))
		}
	}
	return failed
}
