package node

import (
	"os"
	"path/filepath"

	"github.com/sluice-mesh/sluice/test/cluster/process"
)

// daemon is a program of the cluster.
type daemon struct {
	name string
	argv []string
}

// enter moves a shell into the daemons' cgroup and then becomes the program.
// A child cannot be started inside of a version 1 cgroup, and moving it
// afterwards would miss what it starts in between.
const enter = `echo $$ >"$0/cgroup.procs" && exec "$@"`

// start runs a daemon with its log and records it.
func (d daemon) start() error {
	tracking, err := trackingDir()
	if err != nil {
		return err
	}
	return process.Start(process.Spec{
		Name: d.name,
		Argv: append([]string{"/bin/sh", "-c", enter, filepath.Join(tracking, "daemons")}, d.argv...),
		Env:  direct(),
		Dir:  Dir,
		Log:  filepath.Join(LogDir(), d.name+".log"),
	}, path("pids"))
}

// direct is the environment that keeps the cluster's own addresses out of the
// proxy that a company's machine may be set up with.
func direct() []string {
	direct := "localhost,127.0.0.0/8," + ClusterCIDR + ",.svc,.cluster.local"
	if others := os.Getenv("NO_PROXY"); others != "" {
		direct = others + "," + direct
	}
	return []string{"NO_PROXY=" + direct, "no_proxy=" + direct}
}
