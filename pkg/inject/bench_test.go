package inject

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// podWith makes a pod of some size: containers with variables.
func podWith(containers, variables int) []byte {
	var list []string
	for c := range containers {
		var env []string
		for v := range variables {
			env = append(env, fmt.Sprintf(`{"name":"VARIABLE_%d","value":"the value of variable %d"}`, v, v))
		}
		list = append(list, fmt.Sprintf(`{"name":"c%d","image":"image","env":[%s],"resources":{"requests":{"cpu":"100m"}}}`, c, strings.Join(env, ",")))
	}
	return []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"web-","labels":{"app":"app-0","mesh":"global"}},"spec":{"containers":[` +
		strings.Join(list, ",") + `]}}`)
}

func BenchmarkAdmission(b *testing.B) {
	for _, bc := range []struct {
		name                  string
		containers, variables int
		nodes                 int
	}{
		{"ordinary pod of 12 kB, 1 virtual node", 3, 56, 1},
		{"ordinary pod of 12 kB, 1000 virtual nodes", 3, 56, 1000},
		{"1500 variables", 1, 1500, 1},
	} {
		b.Run(bc.name, func(b *testing.B) {
			raw, index, config := podWith(bc.containers, bc.variables), &Index{}, testConfig()
			for n := range bc.nodes {
				t := nodeTarget
				t.Name = fmt.Sprintf("node-%d", n)
				if err := index.Set(Candidate{Target: t, Selector: labelled("app", fmt.Sprintf("app-%d", n), "mesh", "global")}); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				pod, err := Decode(raw, "demo")
				if err != nil {
					b.Fatal(err)
				}
				d := Decide(pod, nil, index, config)
				if !d.Inject {
					b.Fatal(d.Message)
				}
				result, err := Patch(pod, d.Target, config)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := json.Marshal(result.Ops); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
