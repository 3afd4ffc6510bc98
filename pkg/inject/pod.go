package inject

import (
	"encoding/json"
	"fmt"
	"slices"

	utiljson "k8s.io/apimachinery/pkg/util/json" // reads names as the API server does: case matters
)

// Pod is what injection reads of a pod. It has no field that injection does not need: what is not decoded cannot be
// lost, and costs nothing.
type Pod struct {
	// Namespace of the admission request; the pod's own is often empty at this point.
	Namespace string
	Metadata  podMetadata
	Spec      podSpec
}

type podMetadata struct {
	Name         string            `json:"name"`
	GenerateName string            `json:"generateName"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
}

type podSpec struct {
	HostNetwork                   bool              `json:"hostNetwork"`
	NodeSelector                  map[string]string `json:"nodeSelector"`
	RestartPolicy                 string            `json:"restartPolicy"`
	TerminationGracePeriodSeconds *int64            `json:"terminationGracePeriodSeconds"`
	OS                            struct {
		Name string `json:"name"`
	} `json:"os"`
	SecurityContext userContext `json:"securityContext"`
	InitContainers  []container `json:"initContainers"`
	Containers      []container `json:"containers"`
	Volumes         []named     `json:"volumes"`
	// ImagePullSecrets has those of the service account, too.
	ImagePullSecrets []named `json:"imagePullSecrets"`
}

type userContext struct {
	RunAsUser *int64 `json:"runAsUser"`
}

type named struct {
	Name string `json:"name"`
}

// container keeps raw what is read for one container of a gateway only: a pod with 1,500 variables is not rare.
type container struct {
	Name            string          `json:"name"`
	Image           string          `json:"image"`
	ImagePullPolicy string          `json:"imagePullPolicy"`
	SecurityContext userContext     `json:"securityContext"`
	Command         json.RawMessage `json:"command"`
	Args            json.RawMessage `json:"args"`
	Env             json.RawMessage `json:"env"`
	Ports           json.RawMessage `json:"ports"`
	VolumeMounts    json.RawMessage `json:"volumeMounts"`
	ReadinessProbe  json.RawMessage `json:"readinessProbe"`
	LivenessProbe   json.RawMessage `json:"livenessProbe"`
	StartupProbe    json.RawMessage `json:"startupProbe"`
	Lifecycle       json.RawMessage `json:"lifecycle"`
}

// Decode reads a pod from the raw object of an admission request, which must not change afterwards.
func Decode(raw []byte, namespace string) (*Pod, error) {
	pod := &Pod{Namespace: namespace}
	if c := NewCursor(raw); pod.read(c) && c.Done() {
		return pod, nil
	}
	// Pointers, because a patch cannot add to an object that is not there.
	var object struct {
		Metadata *podMetadata `json:"metadata"`
		Spec     *podSpec     `json:"spec"`
	}
	if err := utiljson.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("decode pod in namespace %s: %w", namespace, err)
	}
	if object.Metadata == nil || object.Spec == nil {
		return nil, fmt.Errorf("decode pod in namespace %s: it has no metadata or no spec", namespace)
	}
	return &Pod{Namespace: namespace, Metadata: *object.Metadata, Spec: *object.Spec}, nil
}

// String names the pod as namespace/name; a pod that its owner lets the API server name has its prefix as the name.
func (p *Pod) String() string { return p.Namespace + "/" + p.name() }

func (p *Pod) name() string {
	if p.Metadata.Name != "" {
		return p.Metadata.Name
	}
	return p.Metadata.GenerateName
}

func (p *Pod) annotation(key string) (string, bool) {
	v, ok := p.Metadata.Annotations[key]
	return v, ok
}

func (p *Pod) hasVolume(name string) bool {
	return slices.ContainsFunc(p.Spec.Volumes, func(v named) bool { return v.Name == name })
}

func find(list []container, name string) (int, bool) {
	i := slices.IndexFunc(list, func(c container) bool { return c.Name == name })
	return i, i >= 0
}

// present says whether a raw field has a value: a null counts as absent, as it does for the API server.
func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }
