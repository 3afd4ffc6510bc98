package mesh_test

import (
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/test/golden"
	"github.com/sluice-mesh/sluice/test/snapshot"
)

// outcome is what a golden file holds. Its model is the input of the same case in pkg/xds.
type outcome struct {
	Model      *mesh.Model      `json:"model"`
	Problems   []printedProblem `json:"problems,omitempty"`
	Conditions []mesh.Condition `json:"conditions"`
}

type printedProblem struct {
	Object    mesh.ObjectRef `json:"object"`
	Reason    string         `json:"reason"`
	Error     string         `json:"error"`
	Transient bool           `json:"transient,omitempty"`
	Blocking  bool           `json:"blocking,omitempty"`
}

func TestBuild(t *testing.T) {
	golden.Run(t, func(t *testing.T, in []byte) []byte {
		s, err := snapshot.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		m, problems := mesh.Build(s)
		out := outcome{Model: m, Conditions: mesh.Conditions(s, problems)}
		for _, p := range problems {
			out.Problems = append(out.Problems, printedProblem{
				Object: p.Object, Reason: p.Reason, Error: p.Err.Error(), Transient: p.Transient, Blocking: p.Blocking,
			})
		}
		text, err := yaml.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		return text
	})
}
