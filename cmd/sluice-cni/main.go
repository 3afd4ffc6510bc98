// Command sluice-cni lets a namespace have its pods in the mesh without the capability NET_ADMIN: as a CNI plugin it
// redirects a pod's TCP traffic to its Envoy when the pod's network is made, and as an agent on every node it keeps itself
// chained to the node's network. Run it with --help for the agent's settings.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/version"
)

// Exit codes of the agent. As a plugin it has the specification's: 0, or 1 with an error on standard output.
const (
	exitDone    = 0
	exitFailed  = 1
	exitCommand = 2 // the command line cannot be read
)

func main() {
	// What every container runtime sets for a plugin, and nobody else.
	if os.Getenv("CNI_COMMAND") != "" {
		skel.PluginMainFuncs(plugin{out: os.Stdout, remarks: os.Stderr}.funcs(), version.All, "")
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const usage = `sluice-cni keeps the CNI plugin of the same name on a node: its program, and its entry in the node's conflist.

  sluice-cni install     put both there, and back whenever somebody takes them away, until it is told to stop.
                         They stay then, so that pods that start while a node boots or this agent is updated are redirected
  sluice-cni uninstall   take both away, the entry first, and again whenever somebody puts the entry back
  sluice-cni status      say whether install has done its work; with --absent, whether uninstall has

Flags:

  --bin-dir       folder of the node's CNI plugins; default /host/opt/cni/bin
  --conf-dir      folder of the node's conflists; default /host/etc/cni/net.d
  --conf-file     name of the conflist in it, where it is not the first by name (behind a plugin that calls others, such as Multus)
  --keep-program  uninstall leaves the program, for runtimes that call it once more for every pod that it was called for (CRI-O)
  --help          print this

Exit codes: 0 done, 1 it is not as it should be, 2 the command line cannot be read.

As a plugin it is called by the node's container runtime. It redirects pods with the annotation sluice.dev/redirected-by:
sluice-cni, which the webhook writes, and does nothing for any other. It asks nobody and keeps nothing.
`

// run is the agent.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	verb, agent, err := parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "sluice-cni: %v; see sluice-cni --help\n", err)
		return exitCommand
	}
	agent.log = slog.New(slog.NewJSONHandler(stdout, nil))
	switch verb {
	case verbHelp:
		fmt.Fprint(stdout, usage)
		return exitDone
	case verbStatus:
		err = agent.status()
	default:
		err = agent.keep(ctx)
	}
	if err != nil {
		fmt.Fprintf(stderr, "sluice-cni: %v\n", err)
		return exitFailed
	}
	return exitDone
}
