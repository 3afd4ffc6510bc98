package inject

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// addEnvoy puts the proxy into a pod of a virtual node. A container named envoy that is already there is the user's own
// and stays as it is, as with App Mesh.
func addEnvoy(p *patch) error {
	if i, ok := find(p.pod.Spec.InitContainers, containerEnvoy); ok {
		p.envoyAt = i
		return nil
	}
	if _, ok := find(p.pod.Spec.Containers, containerEnvoy); ok {
		return nil
	}
	c, err := nodeEnvoy(p)
	if err != nil {
		return err
	}
	p.ownsEnvoy = true
	if p.classic {
		p.insert(p.containers, end, c)
		return nil
	}
	// First, so that every other container, init containers too, starts after the proxy and stops before it.
	always := corev1.ContainerRestartPolicyAlways
	c.RestartPolicy = &always
	// The application waits here, as long as it takes, until Envoy has its first configuration.
	c.StartupProbe = &corev1.Probe{ProbeHandler: ready(), PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 86400}
	p.insert(p.initContainers, "0", c)
	p.envoyAt = 0
	return nil
}

func nodeEnvoy(p *patch) (corev1.Container, error) {
	resources, err := envoyResources(p)
	if err != nil {
		return corev1.Container{}, err
	}
	own, err := sidecarVariables(p)
	if err != nil {
		return corev1.Container{}, err
	}
	settings, err := settingsOf(p, own)
	if err != nil {
		return corev1.Container{}, err
	}
	mounts, err := nodeMounts(p)
	if err != nil {
		return corev1.Container{}, err
	}
	return corev1.Container{
		Name:            containerEnvoy,
		Image:           p.cfg.ProxyImage,
		ImagePullPolicy: p.cfg.ImagePullPolicy,
		Command:         []string{pathEnvoy},
		Args:            envoyArgs(p, settings),
		Env:             settings.environment(managedEnv(p), own),
		Ports:           []corev1.ContainerPort{{Name: "stats", ContainerPort: sluice.StatsPort, Protocol: corev1.ProtocolTCP}},
		Resources:       resources,
		VolumeMounts:    mounts,
		ReadinessProbe:  &corev1.Probe{ProbeHandler: ready(), PeriodSeconds: 2, TimeoutSeconds: 1, FailureThreshold: 3},
		Lifecycle:       lifecycle(p),
		SecurityContext: restricted(),
	}, nil
}

// envoyArgs are the arguments of Envoy, for nodes and gateways.
func envoyArgs(p *patch, s proxySettings) []string {
	var args []string
	if s.file != "" {
		args = append(args, "--config-path", verbatim(s.file)) // what follows is merged into it, and wins
	}
	args = append(args,
		"--config-yaml", p.cfg.Bootstrap(s.bootstrap, p.probes),
		"--service-node", "$(POD_NAME).$(POD_NAMESPACE)",
		"--service-cluster", verbatim(s.cluster),
		"--disable-hot-restart", // or two proxies of one network namespace would meet in shared memory
		"--log-level", s.logLevel,
		"--drain-time-s", strconv.Itoa(p.cfg.ListenerDrainSeconds),
		// A pod that stops has seconds, not minutes: every answer from then on closes its connection.
		"--drain-strategy", "immediate",
	)
	if s.concurrency > 0 {
		args = append(args, "--concurrency", strconv.Itoa(s.concurrency))
	}
	return args
}

// verbatim protects a text from Kubernetes, which expands $(NAME) in arguments and turns $$ into $.
func verbatim(s string) string { return strings.ReplaceAll(s, "$", "$$") }

func ready() corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(sluice.StatsPort)}}
}

// restricted is what Pod Security "restricted" demands of a container.
func restricted() *corev1.SecurityContext {
	uid, yes, no := int64(sluice.ProxyUID), true, false
	return &corev1.SecurityContext{
		RunAsUser:                &uid,
		RunAsNonRoot:             &yes,
		AllowPrivilegeEscalation: &no,
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// annotationOn says whether an annotation has the value "enabled" in any case.
func annotationOn(pod *Pod, key string) bool {
	v, _ := pod.annotation(key)
	return strings.EqualFold(v, appmeshv1beta2.ValueEnabled)
}
