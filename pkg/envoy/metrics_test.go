package envoy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestMetricsAreDocumented keeps the page and the code together.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	registered := descriptions{}
	newMetrics(&registered, NewServer(Config{}))
	if len(registered) == 0 {
		t.Fatal("nothing is registered")
	}
	for _, name := range registered {
		if !strings.Contains(string(page), "| `"+name+"` |") {
			t.Errorf("docs/metrics.md does not have %s", name)
		}
	}
	for _, name := range typeNames {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/metrics.md does not have the type %s", name)
		}
	}
}

// descriptions collects the names of what is registered.
type descriptions []string

// Register implements prometheus.Registerer.
func (d *descriptions) Register(c prometheus.Collector) error {
	all := make(chan *prometheus.Desc, 10)
	c.Describe(all)
	close(all)
	for desc := range all {
		_, rest, _ := strings.Cut(desc.String(), `fqName: "`)
		name, _, _ := strings.Cut(rest, `"`)
		*d = append(*d, name)
	}
	return nil
}

// MustRegister implements prometheus.Registerer.
func (d *descriptions) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		_ = d.Register(c)
	}
}

// Unregister implements prometheus.Registerer.
func (d *descriptions) Unregister(prometheus.Collector) bool { return false }
