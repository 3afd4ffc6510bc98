package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// pollInterval is how often Envoy is asked whether it is done, or ready.
	pollInterval = 100 * time.Millisecond
	// quietPolls in a row without a request end a drain: a caller may be between two requests of a connection.
	quietPolls = 3
)

// drain empties Envoy.
type drain struct {
	admin           *admin
	delay, deadline time.Duration
	keepListening   bool
	log             io.Writer
}

func (d *drain) run(ctx context.Context) error {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, d.deadline+answerTimeout) // a hung Envoy must not hold the pod
	defer cancel()
	// From here on every answer closes its connection. Without skip_exit, Envoy would close the listeners by itself
	// after its own drain time, which is made for replaced listeners and much too long or short for a pod.
	if _, err := d.admin.do(ctx, http.MethodPost, "/drain_listeners?graceful&skip_exit"); err != nil {
		return fmt.Errorf("start the drain: %w", err)
	}
	if err := sleep(ctx, min(d.delay, d.deadline)); err != nil {
		return fmt.Errorf("serve on before the listeners close: %w", err)
	}
	if !d.keepListening {
		// No request may come in after the last look at the counters.
		if _, err := d.admin.do(ctx, http.MethodPost, "/drain_listeners"); err != nil {
			return fmt.Errorf("close the listeners: %w", err)
		}
	}
	left, err := d.waitUntilQuiet(ctx, start.Add(d.deadline))
	if err != nil {
		return err
	}
	if left > 0 {
		return fmt.Errorf("drained for %v: %w: %d", time.Since(start).Round(pollInterval), errInFlight, left)
	}
	fmt.Fprintf(d.log, "drained in %v\n", time.Since(start).Round(time.Millisecond))
	return nil
}

// waitUntilQuiet returns how many requests are in flight at the end: none, or some at the deadline.
func (d *drain) waitUntilQuiet(ctx context.Context, deadline time.Time) (int, error) {
	quiet := 0
	for {
		active, err := d.admin.inFlight(ctx)
		if err != nil {
			return 0, fmt.Errorf("count the requests in flight: %w", err)
		}
		if active > 0 {
			quiet = 0
		} else if quiet++; quiet == quietPolls {
			return 0, nil
		}
		if !time.Now().Before(deadline) {
			return active, nil
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return 0, fmt.Errorf("wait for the requests in flight: %w", err)
		}
	}
}

// wait returns when Envoy is live, which it is with its first configuration.
func wait(ctx context.Context, a *admin, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	var last error
	for {
		_, err := a.do(ctx, http.MethodGet, "/ready")
		if err == nil {
			return nil
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		if sleep(ctx, pollInterval) != nil {
			return fmt.Errorf("wait for envoy: %w", errors.Join(ctx.Err(), last))
		}
	}
}

// sleep ends early, with an error, if the context does.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
