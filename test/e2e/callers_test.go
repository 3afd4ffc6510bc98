//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// TestCallers plays testdata/callers: releases that only their callers can judge.
func TestCallers(t *testing.T) {
	inFull(t)
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe"))
	play(t, []string{"testdata/callers/crash-under-load.txtar"}, nil)
}
