package partners

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// Scraping is whom a Prometheus scrapes. Debian's cannot ask Kubernetes, so its targets are written into a file.
type Scraping struct {
	// Namespace and Prometheus are its Deployment's.
	Namespace, Prometheus string
	// Pods are the words that choose pods in "kubectl get pods"; the Envoy of each that has one is scraped.
	Pods []string
}

// Scrape writes the targets until ctx ends, under the labels that the chart of App Mesh's Prometheus gave them and Flagger asks for.
func Scrape(ctx context.Context, c *walkthrough.Cluster, s Scraping) error {
	written, err := s.write(ctx, c, "")
	go func() {
		for ctx.Err() == nil {
			time.Sleep(2 * time.Second)
			if now, err := s.write(ctx, c, written); err == nil {
				written = now
			}
		}
	}()
	return err
}

func (s Scraping) write(ctx context.Context, c *walkthrough.Cluster, before string) (string, error) {
	var pods struct {
		Items []struct {
			Metadata struct {
				Namespace, Name string
				Labels          map[string]string
			}
			Status struct{ PodIP string }
		}
	}
	if err := c.Get(ctx, &pods, append([]string{"pods"}, s.Pods...)...); err != nil {
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
				"kubernetes_namespace": p.Metadata.Namespace, "kubernetes_pod_name": p.Metadata.Name, "app": p.Metadata.Labels["app"],
			}})
		}
	}
	text, err := json.Marshal(groups)
	if err != nil || string(text) == before {
		return before, err
	}
	_, err = c.RunInput(ctx, string(text), "-n", s.Namespace, "exec", "-i", "deployment/"+s.Prometheus, "--",
		"bash", "-c", "cat >/targets/.new && mv /targets/.new /targets/pods.json")
	return string(text), err
}
