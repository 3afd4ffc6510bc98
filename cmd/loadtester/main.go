// Command loadtester runs what a Canary's webhooks ask for: load, checks and gates. It answers the contract of Flagger's
// load tester, so hooks, commands and manifests written for that one work unchanged.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	cfg, err := parseFlags(os.Args[1:], os.Stdout)
	if errors.Is(err, errHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	err = errors.Join(run(ctx, cfg), cfg.commands.close())
	if err != nil {
		cfg.log.Error("load tester failed", "error", err.Error())
		os.Exit(1)
	}
}

// stopGrace is how long commands that somebody waits for may go on when the load tester stops.
const stopGrace = 10 * time.Second

// run serves until ctx ends, then refuses new work and stops the commands that still run.
func run(ctx context.Context, cfg config) error {
	runner := newRunner(cfg)
	server := &http.Server{
		Addr:              ":" + cfg.port,
		Handler:           newHandler(runner, newGates(), cfg),
		ReadHeaderTimeout: 10 * time.Second,
		// No write timeout: a bash task answers when its command ends, and -timeout bounds that.
		ErrorLog: slog.NewLogLogger(cfg.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	cfg.log.Info("load tester started", "port", cfg.port, "timeout", cfg.timeout.String(), "commands", cfg.commands.allowed, "auth", cfg.door.caFile != "")
	if cfg.door.careless {
		cfg.log.Warn("everybody who reaches this port can run tasks: mount the certificate authority of Sluice, or set -auth=off to accept that silently")
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serve on port %s: %w", cfg.port, err)
	case <-ctx.Done():
	}
	// Stopping the commands first lets the blocking ones answer, so that Shutdown does not wait for them.
	runner.stop(stopGrace)
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Shutdown(grace)
}
