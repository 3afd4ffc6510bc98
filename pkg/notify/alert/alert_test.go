package alert

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/test/golden"
)

// TestBuild makes the request of every pair in testdata: what is posted, and where.
func TestBuild(t *testing.T) {
	golden.Run(t, func(t *testing.T, in []byte) []byte {
		var c struct {
			Destination Destination
			Message     Message
		}
		if err := yaml.UnmarshalStrict(in, &c); err != nil {
			t.Fatal(err)
		}
		request, err := Build(c.Destination, c.Message)
		out := map[string]any{"url": request.URL, "token": request.Token, "body": request.Body}
		if err != nil {
			out = map[string]any{"error": err.Error()}
			if strings.Contains(err.Error(), c.Destination.Address) {
				t.Errorf("the error repeats the address, which may be a secret: %v", err)
			}
		}
		data, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		text, err := yaml.JSONToYAML(data)
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
}
