package inject

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// managedEnv are the variables of Envoy that nobody overrides: the node's name is made of the first two, the rest is
// what users' scripts and dashboards read.
func managedEnv(p *patch) []corev1.EnvVar {
	env := []corev1.EnvVar{
		fieldEnv("POD_NAME", "metadata.name"),
		fieldEnv("POD_NAMESPACE", "metadata.namespace"),
		fieldEnv("POD_UID", "metadata.uid"),
		fieldEnv("POD_IP", "status.podIP"),
		{Name: "APPMESH_RESOURCE_ARN", Value: verbatim(p.target.Resource())},
	}
	if p.target.Kind == KindVirtualNode {
		env = append(env, corev1.EnvVar{Name: "APPMESH_VIRTUAL_NODE_NAME", Value: verbatim(p.target.Resource())})
	}
	return env
}

func fieldEnv(name, path string) corev1.EnvVar {
	// The API version is what the API server would fill in; with it a second pass compares equal.
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}}
}

// sidecarVariables are the variables that the pod gives its sidecar: sidecarEnv as written, then what sidecarEnvJson adds
// or overrides, sorted. Managed ones are not the pod's to give.
func sidecarVariables(p *patch) (environment, error) {
	listed, err := sidecarEnv(p.pod)
	if err != nil {
		return nil, err
	}
	fromJSON, err := sidecarEnvJSON(p.pod)
	if err != nil || len(listed)+len(fromJSON) == 0 {
		return nil, err
	}
	managed := managedEnv(p)
	var env environment
	for _, kv := range append(listed, fromJSON...) {
		has := func(e corev1.EnvVar) bool { return e.Name == kv.key }
		switch at := slices.IndexFunc(env, has); {
		case slices.ContainsFunc(managed, has):
			p.warn("environment variable %s of the envoy container is managed, so the value from the pod's annotations is ignored", kv.key)
		case at >= 0:
			env[at].Value = kv.value
		default:
			env = append(env, corev1.EnvVar{Name: kv.key, Value: kv.value})
		}
	}
	adviseVariables(p, env)
	return env, nil
}

func sidecarEnv(pod *Pod) ([]pair, error) {
	text, ok := pod.annotation(appmeshv1beta2.AnnotationSidecarEnv)
	if !ok {
		return nil, nil
	}
	var pairs []pair
	for segment := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(segment, "=")
		if !ok || strings.Contains(value, "=") {
			return nil, malformed(appmeshv1beta2.AnnotationSidecarEnv, "EnvVariableKey=EnvVariableValue")
		}
		pairs = append(pairs, pair{strings.TrimSpace(key), strings.TrimSpace(value)})
	}
	return pairs, nil
}

func sidecarEnvJSON(pod *Pod) ([]pair, error) {
	text, ok := pod.annotation(appmeshv1beta2.AnnotationSidecarEnvJSON)
	if !ok {
		return nil, nil
	}
	// Values are strings: decoding anything else, a nested object too, is an error.
	var objects []map[string]string
	if err := json.Unmarshal([]byte(text), &objects); err != nil {
		return nil, malformed(appmeshv1beta2.AnnotationSidecarEnvJSON, `[{"DD_ENV":"prod","TEST_ENV":"env_val"}]`)
	}
	var pairs []pair
	for _, object := range objects {
		for _, key := range slices.Sorted(maps.Keys(object)) {
			pairs = append(pairs, pair{key, object[key]})
		}
	}
	return pairs, nil
}

// malformed is App Mesh's text for an annotation that it cannot read.
func malformed(annotation, format string) error {
	return fmt.Errorf("malformed annotation %s, expected format: %s", annotation, format)
}
