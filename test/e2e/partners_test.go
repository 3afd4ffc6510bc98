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
		"scrape": (*stage).scrape, // scrape PROMETHEUS: keep the Deployment told of every pod's Envoy
		"follow": (*stage).follow, // follow CANARY PHASE CLIENT URL VERSION WEIGHT...: shares at these weights, until the phase
	})
}

// scrape writes the targets of Prometheus's file_sd until the script ends: every pod's Envoy, under the labels that the
// chart of App Mesh's Prometheus gave them and Flagger asks for.
func (s *stage) scrape(args []string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("write: scrape DEPLOYMENT")
	}
	written, err := s.writeTargets(args[0], "")
	go func() {
		for s.ctx.Err() == nil {
			time.Sleep(2 * time.Second)
			if now, err := s.writeTargets(args[0], written); err == nil {
				written = now
			}
		}
	}()
	return "", err
}

func (s *stage) writeTargets(prometheus, before string) (string, error) {
	var pods struct {
		Items []struct {
			Metadata struct {
				Name   string
				Labels map[string]string
			}
			Status struct{ PodIP string }
		}
	}
	if err := cluster.Get(s.ctx, &pods, "-n", s.name, "pods"); err != nil {
		return before, err
	}
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	groups := []group{}
	for _, p := range pods.Items {
		if p.Status.PodIP != "" {
			groups = append(groups, group{[]string{p.Status.PodIP + ":9901"}, map[string]string{
				"kubernetes_namespace": s.name, "kubernetes_pod_name": p.Metadata.Name, "app": p.Metadata.Labels["app"],
			}})
		}
	}
	text, err := json.Marshal(groups)
	if err != nil || string(text) == before {
		return before, err
	}
	_, err = cluster.RunInput(s.ctx, string(text), "-n", s.name, "exec", "-i", "deployment/"+prometheus, "--",
		"bash", "-c", "cat >/targets/.new && mv /targets/.new /targets/pods.json")
	return string(text), err
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
