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

// nodeEnv is the environment of a sidecar: the managed variables, then sidecarEnv as written, then what
// sidecarEnvJson adds or overrides, sorted.
func nodeEnv(p *patch) ([]corev1.EnvVar, error) {
	env := managedEnv(p)
	managed := len(env)
	listed, err := sidecarEnv(p.pod)
	if err != nil {
		return nil, err
	}
	fromJSON, err := sidecarEnvJSON(p.pod)
	if err != nil {
		return nil, err
	}
	for _, kv := range append(listed, fromJSON...) {
		at := slices.IndexFunc(env, func(e corev1.EnvVar) bool { return e.Name == kv.key })
		switch {
		case at < 0:
			env = append(env, corev1.EnvVar{Name: kv.key, Value: kv.value})
		case at < managed:
			p.warn("environment variable %s of the envoy container is managed, so the value from the pod's annotations is ignored", kv.key)
			continue
		default:
			env[at].Value = kv.value
		}
		if agentEnv(kv.key) {
			p.warn("environment variable %s configured App Mesh's own Envoy image and has no effect on upstream Envoy", kv.key)
		}
	}
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

// agentEnv says whether a variable was read by the agent in App Mesh's Envoy image, which turned it into configuration.
func agentEnv(name string) bool {
	for _, prefix := range []string{
		"APPMESH_", "APPNET_", "ENABLE_ENVOY_", "ENVOY_", "XRAY_", "JAEGER_", "DATADOG_", "STATSD_",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
