//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/partners"
	"github.com/sluice-mesh/sluice/test/e2e/tally"
	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// TestPartners plays testdata/partners: other people's controllers, unmodified, on our mesh.
func TestPartners(t *testing.T) {
	if os.Getenv("SLUICE_PARTNERS") == "" {
		t.Skip("builds and runs other people's controllers: make e2e PARTNERS=1")
	}
	must(t, cluster.Images(testContext(t, 15*time.Minute), "probe", "flagger", "prometheus"))
	t.Cleanup(func() {
		ctx := context.Background()
		must(t, kubectl(ctx, "-n", "sluice-system", "scale", "deployment/sluice-canary", "--replicas=1"))
		must(t, kubectl(ctx, "delete", "clusterrole/flagger", "clusterrolebinding/flagger", "--ignore-not-found"))
	})
	play(t, []string{"testdata/partners/flagger.txtar"}, map[string]verb{
		"partner": (*stage).partner, // partner prometheus|flagger
		"scrape":  (*stage).scrape,  // scrape PROMETHEUS: keep the Deployment told of every pod's Envoy
		"follow":  (*stage).follow,  // follow CANARY PHASE CLIENT URL VERSION WEIGHT...: shares at these weights, until the phase
	})
}

// partner applies one of package partners in the script's namespace.
func (s *stage) partner(args []string) (string, error) {
	switch {
	case len(args) == 1 && args[0] == "prometheus":
		return s.create(partners.Prometheus(2 * time.Second))
	case len(args) == 1 && args[0] == "flagger":
		return s.create(partners.Flagger(s.name, s.name))
	}
	return "", fmt.Errorf("write: partner prometheus|flagger")
}

// scrape keeps a Prometheus told of the script's pods until the script ends.
func (s *stage) scrape(args []string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("write: scrape DEPLOYMENT")
	}
	return "", partners.Scrape(s.ctx, cluster, partners.Scraping{Namespace: s.name, Prometheus: args[0], Pods: []string{"-n", s.name}})
}

// follow watches a release from inside the client's pod: while the router says a weight, so many of the answers come from
// the new version.
func (s *stage) follow(args []string) (string, error) {
	if len(args) < 6 {
		return "", fmt.Errorf("write: follow CANARY PHASE CLIENT URL VERSION, and at least one WEIGHT")
	}
	canary, phase, client, url, version, open := args[0], args[1], args[2], args[3], args[4], slices.Clone(args[5:])
	if _, err := s.again([]string{"sees", "^Progressing$", "kubectl", "get", "canary", canary, "-o", "jsonpath={.status.phase}"}); err != nil {
		return "", err
	}
	var wrong error
	err := walkthrough.Eventually(s.ctx, 3*time.Minute, "the release ends as "+phase, func(ctx context.Context) error {
		weight, err := s.weight(ctx, canary)
		if at := slices.Index(open, strconv.Itoa(weight)); err == nil && at >= 0 {
			seen, err := s.during(ctx, canary, weight, client, url)
			if err != nil {
				return err
			}
			open = slices.Delete(open, at, at+1)
			want := fmt.Sprintf("name:%s=%d%%", version, weight)
			s.note("%s", seen.Shares(want)[0])
			wrong = errors.Join(wrong, seen.Check(want))
		}
		now, err := cluster.Run(ctx, "-n", s.name, "get", "canary", canary, "-o", "jsonpath={.status.phase}")
		if err == nil && now != phase {
			err = fmt.Errorf("it is %s", now)
		}
		return err
	})
	if err == nil && len(open) > 0 {
		err = fmt.Errorf("these weights were not in force for long enough to be seen: %v", open)
	}
	return "", errors.Join(err, wrong)
}

// during asks many times while the weight stays as it is.
func (s *stage) during(ctx context.Context, canary string, weight int, client, url string) (*tally.Tally, error) {
	time.Sleep(time.Second) // from the router's write to the last Envoy
	out, err := s.kubectl([]string{"exec", "deployment/" + client, "-c", "app", "--", "/probe", "ask", "-n", "1000", url})
	if err != nil {
		return nil, err
	}
	after, err := s.weight(ctx, canary)
	if err != nil {
		return nil, err
	}
	if after != weight {
		return nil, fmt.Errorf("the weight went from %d to %d meanwhile", weight, after)
	}
	seen := &tally.Tally{}
	return seen, json.Unmarshal([]byte(out), seen)
}

// weight is what the router sends to the canary.
func (s *stage) weight(ctx context.Context, canary string) (int, error) {
	text, err := cluster.Run(ctx, "-n", s.name, "get", "virtualrouter", canary, "-o",
		`jsonpath={.spec.routes[0].httpRoute.action.weightedTargets[?(@.virtualNodeRef.name=="`+canary+`-canary")].weight}`)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}
