package canary

import "testing"

func TestPodsAreToldByTheirNames(t *testing.T) {
	for name, c := range map[string]struct {
		target Target
		pod    string
		want   bool
	}{
		"a Deployment's":                   {deploymentTarget{}, "podinfo-primary-5d4f-x2x4z", true},
		"the target's":                     {deploymentTarget{}, "podinfo-5d4f-x2x4z", false},
		"a DaemonSet's is no Deployment's": {deploymentTarget{}, "podinfo-primary-x2x4z", false},
		"no pod":                           {deploymentTarget{}, "podinfo-primary", false},
		"a DaemonSet's":                    {daemonSetTarget{}, "podinfo-primary-x2x4z", true},
		"a sibling's":                      {daemonSetTarget{}, "podinfo-primary-api-x2x4z", false},
		"the target DaemonSet's":           {daemonSetTarget{}, "podinfo-x2x4z", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.target.OwnsPod("podinfo-primary", c.pod); got != c.want {
				t.Errorf("%s: %v", c.pod, got)
			}
		})
	}
}
