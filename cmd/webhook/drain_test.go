package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrainServesOnAfterTheSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signal, stop := context.WithCancel(context.Background())
		d := &drain{}
		ctx := d.after(signal, 5*time.Second)
		if err := d.check(nil); err != nil {
			t.Errorf("not ready before the signal: %v", err)
		}
		stop()
		synctest.Wait()
		if d.check(nil) == nil || ctx.Err() != nil {
			t.Errorf("after the signal: ready %v, ended %v; want not ready, not ended", d.check(nil) == nil, ctx.Err())
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if ctx.Err() == nil {
			t.Error("the delay did not end")
		}
	})
}
