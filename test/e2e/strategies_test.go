//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestStrategies plays testdata/strategies: each way to release a version, seen by the users of a service. A user whose
// requests matter asks all the while, and no answer of his fails that the new version itself did not fail.
func TestStrategies(t *testing.T) {
	inFull(t)
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe"))
	files, err := filepath.Glob("testdata/strategies/*.txtar")
	must(t, err)
	play(t, files, map[string]verb{
		"with": (*stage).with, // with FIELD ask CLIENT ...: the same, with the cookie in this field of the Canary's status
	})
}

// with asks as a user who has a cookie of the rollout.
func (s *stage) with(args []string) (string, error) {
	if len(args) < 3 || args[1] != "ask" {
		return "", fmt.Errorf("write: with FIELD ask CLIENT [FLAGS] URL [want FACET=COUNT...]")
	}
	cookie, err := s.kubectl([]string{"get", "canary", "web", "-o", "jsonpath={.status." + args[0] + "}"})
	if err != nil {
		return "", err
	}
	if cookie = strings.TrimSpace(cookie); cookie == "" {
		return "", fmt.Errorf("the Canary has no %s", args[0])
	}
	return s.do(slices.Concat(args[1:3], []string{"-H", "cookie:" + cookie}, args[3:]))
}
