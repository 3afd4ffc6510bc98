package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// drain keeps the process serving for a while after it was told to stop: until every API server and kube-proxy has
// heard that this replica is not ready any more, requests still come.
type drain struct{ begun atomic.Bool }

// check is a readiness check that fails from the moment the process was told to stop.
func (d *drain) check(*http.Request) error {
	if d.begun.Load() {
		return errors.New("shutting down")
	}
	return nil
}

// after returns a context that ends the given time after the signal's.
func (d *drain) after(signal context.Context, delay time.Duration) context.Context {
	ctx, cancel := context.WithCancel(context.WithoutCancel(signal))
	context.AfterFunc(signal, func() {
		d.begun.Store(true)
		time.AfterFunc(delay, cancel)
	})
	return ctx
}
