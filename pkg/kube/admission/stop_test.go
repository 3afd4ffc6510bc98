package admission_test

import (
	"testing"
	"time"
)

// TestProcessEnds comes last: the process must not wait for the connections that the API server keeps open to it.
// It also lets the API server of the tests end at once, which in turn waits for those who watch it.
func TestProcessEnds(t *testing.T) {
	c := start(t)
	begin := time.Now()
	c.stop()
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}
