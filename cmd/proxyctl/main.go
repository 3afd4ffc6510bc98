// Command proxyctl talks to the Envoy of its own pod over the admin socket: it drains it before it stops, waits until it
// is ready and shows what the admin interface says.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// version is set by the linker.
var version = "dev"

// Exit codes.
const (
	exitFailed   = 1 // Envoy cannot be reached, or answers with an error
	exitUsage    = 2 // the command line cannot be read
	exitInFlight = 3 // the deadline came while requests were in flight
)

// errInFlight is the end of a drain that was not complete.
var errInFlight = errors.New("requests were in flight at the deadline")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	// Cobra's own mistakes come before a command runs; the rest are about Envoy.
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(stderr, "proxyctl: %v\n", err)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInFlight):
		return exitInFlight
	case !started:
		fmt.Fprintln(stderr, "See proxyctl --help.")
		return exitUsage
	}
	return exitFailed
}

func command() *cobra.Command {
	var socket string
	root := &cobra.Command{
		Use:   "proxyctl",
		Short: "Talk to the Envoy of this pod",
		Long: `proxyctl talks to the Envoy of its own pod over the admin socket, which only the container of Envoy has.

Exit codes: 0 done, 1 Envoy cannot be reached or answers with an error, 2 the command line cannot be read,
3 requests were in flight at the deadline of a drain.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVar(&socket, "admin", sluice.AdminSocket, "path of Envoy's admin socket")
	admin := func() *admin { return newAdmin(socket) }
	root.AddCommand(drainCommand(admin), waitCommand(admin), getCommand(admin))
	return root
}

func drainCommand(admin func() *admin) *cobra.Command {
	var d drain
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Finish what is in flight before Envoy stops",
		Long: `drain is the preStop hook of Envoy's container.

It tells Envoy to close every connection after the next answer and to go on serving. After --delay, by when callers
have heard that the pod goes, it closes the listeners, unless --keep-listening is set. Then it waits until no HTTP
request is in flight, or for the deadline, which counts from the start. Plain TCP connections are not waited for.

A native sidecar needs no delay and must keep listening: Kubernetes stops it after the application.`,
		Example: `  proxyctl drain --delay=5s --deadline=25s             # a gateway
  proxyctl drain --keep-listening --deadline=25s       # a native sidecar`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.admin, d.log = admin(), cmd.OutOrStdout()
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().DurationVar(&d.delay, "delay", 0, "serve on at least this long before the listeners are closed")
	cmd.Flags().DurationVar(&d.deadline, "deadline", 25*time.Second, "end after this long, whatever is in flight")
	cmd.Flags().BoolVar(&d.keepListening, "keep-listening", false, "leave the listeners open to the end")
	return cmd
}

func waitCommand(admin func() *admin) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait",
		Short: "Wait until Envoy has its first configuration",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return wait(cmd.Context(), admin(), timeout)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "give up after this long; 0 waits as long as it takes")
	return cmd
}

func getCommand(admin func() *admin) *cobra.Command {
	return &cobra.Command{
		Use:     "get PATH",
		Short:   "Print a page of the admin interface",
		Example: "  proxyctl get /config_dump\n  proxyctl get '/stats?usedonly&filter=cds_ingress'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return admin().copyTo(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
}
