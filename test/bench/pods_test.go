package bench

import (
	"encoding/json"
	"fmt"
	"strings"
)

// podShape is a pod to be admitted.
type podShape struct {
	name                  string
	containers, variables int
	// padding is the length of an annotation, where only the size matters.
	padding int
}

// pods are an ordinary one (a review of 11.8 kB), one of those that took other injectors seconds, and a large one.
var pods = []podShape{
	{name: "three-containers", containers: 3, variables: 48},
	{name: "1500-variables", containers: 1, variables: 1500},
	{name: "64-kB", containers: 3, variables: 33, padding: 54_000},
}

// review is the request that the API server would send.
func (p podShape) review(namespace string) []byte {
	var containers []any
	for c := range p.containers {
		var env []any
		for v := range p.variables {
			env = append(env, map[string]any{"name": fmt.Sprintf("SETTING_%04d", v), "value": fmt.Sprintf("some value that is not too short %04d", v)})
		}
		containers = append(containers, map[string]any{
			"name": fmt.Sprintf("c%d", c), "image": "registry.example.com/app:v1.2.3", "env": env,
			"ports":          []any{map[string]any{"containerPort": 8080 + c, "protocol": "TCP"}},
			"resources":      map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "64Mi"}},
			"readinessProbe": map[string]any{"httpGet": map[string]any{"path": "/ready", "port": 8080 + c}, "periodSeconds": 5},
			"volumeMounts":   []any{map[string]any{"name": "config", "mountPath": "/etc/app"}},
		})
	}
	annotations := map[string]any{}
	if p.padding > 0 {
		annotations["example.com/note"] = strings.Repeat("x", p.padding)
	}
	pod := map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"generateName": "app-0-", "labels": map[string]any{"app": "app-0"}, "annotations": annotations},
		"spec": map[string]any{
			"initContainers": []any{map[string]any{"name": "init", "image": "registry.example.com/init:v1"}},
			"containers":     containers, "serviceAccountName": "app",
			"volumes": []any{map[string]any{"name": "config", "configMap": map[string]any{"name": "app"}}},
		},
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"request": map[string]any{
			"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE", "namespace": namespace, "object": pod,
			"kind": map[string]any{"group": "", "version": "v1", "kind": "Pod"}, "resource": map[string]any{"group": "", "version": "v1", "resource": "pods"},
			"userInfo": map[string]any{"username": "system:serviceaccount:kube-system:replicaset-controller"},
		},
	})
	if err != nil {
		panic(err)
	}
	return text
}
