package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-mesh/sluice/test/cluster/hosts"
	"github.com/sluice-mesh/sluice/test/cluster/process"
)

// Down ends exactly what Up began and leaves nothing of it. It may be called at
// any time, also after a crash or half an Up, and does nothing when there is
// nothing.
func Down(ctx context.Context, log io.Writer) error {
	if _, err := os.Stat(Dir); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(log, "no cluster is running")
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("taking the cluster down needs root: run it with sudo")
	}
	ctx = context.WithoutCancel(ctx) // half a removal is worse than two seconds more
	begin := time.Now()
	if err := endProcesses(); err != nil {
		return err
	}
	// From here on nothing can be added any more; go on after a failure, so
	// that one stubborn mount does not keep the rest.
	failed := errors.Join(
		removeShimSockets(),
		unmountAll(Dir),
		removeNetwork(ctx),
		removeCgroup(),
		removeLogLinks(),
		removeNetworkResults(),
		removeDevicePlugins(),
		restoreSysctls(),
		hosts.Set(hosts.File, nil), // the balancer did, unless it was killed
	)
	if failed != nil {
		return fmt.Errorf("take the cluster down: %w", failed)
	}
	if err := os.RemoveAll(Dir); err != nil {
		return fmt.Errorf("remove the cluster's files: %w", err)
	}
	fmt.Fprintf(log, "the cluster is down, nothing is left (%s)\n", time.Since(begin).Round(100*time.Millisecond))
	return nil
}

// endProcesses stops the daemons that would start things anew, then everything.
// The pods go before containerd and its shims, so that the shims can still
// release what the containers held.
func endProcesses() error {
	daemons, err := process.Records(path("pids"))
	if err != nil {
		return err
	}
	byName := map[string]process.Record{}
	for _, d := range daemons {
		byName[d.Name] = d
	}
	for _, name := range []string{"balancer", "kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		byName[name].Ask() // of one that never started nothing is alive
	}
	for _, name := range []string{"kubelet", "balancer", "kube-proxy"} {
		byName[name].Stop(2 * time.Second)
	}
	tracking, err := trackingDir()
	if err != nil {
		return err
	}
	if err := killAll(filepath.Join(tracking, "kubepods"), 20*time.Second); err != nil {
		return err
	}
	for _, name := range []string{"containerd", "kube-apiserver", "etcd"} {
		byName[name].Stop(time.Second)
	}
	return killAll(tracking, 20*time.Second)
}
