package mesh_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

func TestRefused(t *testing.T) {
	shop := mesh.ObjectRef{Kind: mesh.KindVirtualRouter, Namespace: "demo", Name: "shop"}
	node := mesh.ObjectRef{Kind: mesh.KindVirtualNode, Namespace: "demo", Name: "web"}
	refuses := func(pod, resource, message string, objects ...mesh.ObjectRef) mesh.Refusal {
		return mesh.Refusal{Pod: pod, Resource: resource, Message: message, Objects: objects}
	}
	long := strings.Repeat("é", 400)
	cases := map[string]struct {
		refusals []mesh.Refusal
		want     []string
	}{
		"nothing": {},
		"one pod": {
			[]mesh.Refusal{refuses("demo/web-1", "lds_a", "Error adding\n  listener(s) lds_a: bad\n\n", node)},
			[]string{"VirtualNode/demo/web: spec: Forbidden: the Envoys of 1 pod refuse lds_a and keep what they had before: Error adding listener(s) lds_a: bad"},
		},
		"pods count once, and say it in the words of the first": {
			[]mesh.Refusal{refuses("demo/web-2", "lds_a", "b", node), refuses("demo/web-1", "lds_a", "a", node), refuses("demo/web-1", "lds_a", "a", node)},
			[]string{"VirtualNode/demo/web: spec: Forbidden: the Envoys of 2 pods refuse lds_a and keep what they had before: a"},
		},
		"each object and each resource is a problem": {
			[]mesh.Refusal{refuses("demo/web-1", "rds_a", "bad", shop, node), refuses("demo/web-1", "lds_a", "bad", node)},
			[]string{
				"VirtualNode/demo/web: spec: Forbidden: the Envoys of 1 pod refuse lds_a and keep what they had before: bad",
				"VirtualNode/demo/web: spec: Forbidden: the Envoys of 1 pod refuse rds_a and keep what they had before: bad",
				"VirtualRouter/demo/shop: spec: Forbidden: the Envoys of 1 pod refuse rds_a and keep what they had before: bad",
			},
		},
		"a long sentence is cut": {
			[]mesh.Refusal{refuses("demo/web-1", "lds_a", long, node)},
			[]string{"VirtualNode/demo/web: spec: Forbidden: the Envoys of 1 pod refuse lds_a and keep what they had before: " + long[:600] + " (and more)"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range mesh.Refused(c.refusals) {
				if !p.Blocking || p.Transient || p.Reason != mesh.ReasonProxyRejected {
					t.Errorf("%+v: the part is not served until somebody changes it", p)
				}
				got = append(got, p.Object.String()+": "+p.Err.Error())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
