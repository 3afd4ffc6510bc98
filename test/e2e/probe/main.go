// Command probe is the application of the end-to-end tests: a server that says who it is and misbehaves on request, over
// HTTP/1.1, HTTP/2, gRPC and SMTP; and the client that asks it and counts what it sees.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{Use: "probe", Short: "Server and client of the end-to-end tests", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(serveCommand(), askCommand(), getCommand(), peekCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}
