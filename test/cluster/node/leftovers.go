package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Some places are fixed in the programs, so they cannot be moved below Dir. Each
// function here takes our files out of such a place, and then the folders if
// nobody else has anything in them.

// removeShimSockets deletes the sockets of this cluster's shims. They lie in a
// folder that every containerd of the machine uses, so each is looked up in what
// containerd kept about its container.
func removeShimSockets() error {
	found, err := filepath.Glob(path("run", "containerd", "io.containerd.runtime.v2.task", "*", "*", "bootstrap.json"))
	if err != nil {
		return err
	}
	for _, file := range found {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var shim struct {
			Address string `json:"address"`
		}
		if json.Unmarshal(content, &shim) != nil {
			continue
		}
		if socket, ok := strings.CutPrefix(shim.Address, "unix://"); ok {
			if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove a shim's socket: %w", err)
			}
		}
	}
	removeEmpty("/run/containerd/s", "/run/containerd/fifo", "/run/containerd")
	return nil
}

// removeLogLinks clears the links to our pods' logs out of the one folder whose
// place the kubelet does not let us choose.
func removeLogLinks() error {
	const dir = "/var/log/containers"
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for links to logs: %w", err)
	}
	for _, e := range entries {
		link := filepath.Join(dir, e.Name())
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, Dir+"/") {
			if err := os.Remove(link); err != nil {
				return fmt.Errorf("remove a link to a log: %w", err)
			}
		}
	}
	removeEmpty(dir)
	return nil
}

// removeNetworkResults deletes what the network plugins keep about our pods. The
// files begin with the name of the network.
func removeNetworkResults() error {
	const dir = "/var/lib/cni"
	found, err := filepath.Glob(dir + "/results/sluice-*")
	if err != nil {
		return err
	}
	for _, file := range found {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("remove what a network plugin kept: %w", err)
		}
	}
	removeEmpty(dir+"/results", dir)
	return nil
}

// removeDevicePlugins deletes the kubelet's socket for devices. A machine has
// only one kubelet at a time, so it is ours.
func removeDevicePlugins() error {
	const dir = "/var/lib/kubelet"
	err := os.Remove(dir + "/device-plugins/kubelet.sock")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the kubelet's socket: %w", err)
	}
	removeEmpty(dir+"/device-plugins", dir)
	return nil
}

// removeEmpty removes folders that have nothing in them; the others stay.
func removeEmpty(dirs ...string) {
	for _, dir := range dirs {
		_ = os.Remove(dir)
	}
}
