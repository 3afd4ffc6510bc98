// Package partners installs other people's software, unmodified, beside Sluice: Flagger, and the Prometheus that it asks.
package partners

import (
	_ "embed" // the manifests
	"fmt"
	"strings"
	"text/template"
	"time"
)

//go:embed prometheus.yaml
var prometheusManifest string

//go:embed flagger.yaml
var flaggerManifest string

// Prometheus is a manifest for any namespace: a Deployment and a Service of that name. It scrapes what Scrape tells it, every so often.
func Prometheus(scrapeInterval time.Duration) string {
	return render(prometheusManifest, map[string]any{"Interval": scrapeInterval})
}

// Flagger is a manifest for one namespace, in which the Prometheus must be; it looks after the Canaries of the watched
// namespace, or of all if that is empty.
func Flagger(namespace, watched string) string {
	return render(flaggerManifest, map[string]any{"Namespace": namespace, "Watched": watched})
}

func render(manifest string, values any) string {
	var out strings.Builder
	if err := template.Must(template.New("").Parse(manifest)).Execute(&out, values); err != nil {
		panic(fmt.Sprintf("a manifest of our own: %v", err))
	}
	return out.String()
}
