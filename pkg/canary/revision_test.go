package canary

import "testing"

func TestRevision(t *testing.T) {
	const base = `{"metadata":{"labels":{"app":"podinfo"}},"spec":{"containers":[{"name":"a","image":"x:1","env":[{"name":"K","value":"V"}]}],"volumes":[{"name":"v","emptyDir":{}}]}}`
	want := Revision([]byte(base))
	if !isOurs(want) || isOurs("5f8fd4f546") {
		t.Errorf("%q must be told apart from a hash of Flagger's", want)
	}
	for name, same := range map[string]string{
		"another order of keys":          `{"spec":{"volumes":[{"emptyDir":{},"name":"v"}],"containers":[{"image":"x:1","env":[{"value":"V","name":"K"}],"name":"a"}]},"metadata":{"labels":{"app":"podinfo"}}}`,
		"spaces":                         ` { "metadata": {"labels": {"app": "podinfo"}}, "spec": {"containers": [{"name": "a", "image": "x:1", "env": [{"name": "K", "value": "V"}]}], "volumes": [{"name": "v", "emptyDir": {}}]}}`,
		"a creation timestamp":           `{"metadata":{"creationTimestamp":null,"labels":{"app":"podinfo"}},"spec":{"containers":[{"name":"a","image":"x:1","env":[{"name":"K","value":"V"}]}],"volumes":[{"name":"v","emptyDir":{}}]}}`,
		"what clients write for nothing": `{"metadata":{"annotations":{},"labels":{"app":"podinfo"}},"spec":{"securityContext":{},"initContainers":[],"hostname":null,"containers":[{"name":"a","resources":{},"image":"x:1","env":[{"name":"K","value":"V"}]}],"volumes":[{"name":"v","emptyDir":{}}]}}`,
	} {
		if got := Revision([]byte(same)); got != want {
			t.Errorf("%s must not change the revision", name)
		}
	}
	for name, other := range map[string]string{
		"another image":           `{"metadata":{"labels":{"app":"podinfo"}},"spec":{"containers":[{"name":"a","image":"x:2","env":[{"name":"K","value":"V"}]}],"volumes":[{"name":"v","emptyDir":{}}]}}`,
		"another kind of volume":  `{"metadata":{"labels":{"app":"podinfo"}},"spec":{"containers":[{"name":"a","image":"x:1","env":[{"name":"K","value":"V"}]}],"volumes":[{"name":"v"}]}}`,
		"an annotation":           `{"metadata":{"annotations":{"restarted":"now"},"labels":{"app":"podinfo"}},"spec":{"containers":[{"name":"a","image":"x:1","env":[{"name":"K","value":"V"}]}],"volumes":[{"name":"v","emptyDir":{}}]}}`,
		"a field from the future": `{"metadata":{"labels":{"app":"podinfo"}},"spec":{"novel":{"deep":1},"containers":[{"name":"a","image":"x:1","env":[{"name":"K","value":"V"}]}],"volumes":[{"name":"v","emptyDir":{}}]}}`,
		"not JSON":                `{`,
	} {
		if got := Revision([]byte(other)); got == want || !isOurs(got) {
			t.Errorf("%s must change the revision", name)
		}
	}
	// Pinned: a change of this value starts a rollout of every Canary in the world at the next upgrade.
	if want != "442507b5a2ba4b3e" {
		t.Errorf("the revision of a known template is %s now", want)
	}
}
