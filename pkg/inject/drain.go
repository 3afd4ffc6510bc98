package inject

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// How long pods may take to stop, in seconds.
const (
	// defaultGrace is Kubernetes' terminationGracePeriodSeconds where a pod has none.
	defaultGrace = 30
	// graceReserve stays for Envoy's own exit after the drain.
	graceReserve = 2
)

// lifecycle drains the proxy before it stops. The kubelet runs the preStop hooks of all containers, native sidecars
// too, as soon as the pod stops; what waits for the main containers is only the signal to a native sidecar:
//
//	pod deleted   preStop of the application, SIGTERM ......... exit
//	              preStop of envoy: drain, serve on ......done | SIGTERM, exit     native sidecar
//	              preStop of envoy: drain, delay, wait ...done, SIGTERM, exit      ordinary container
//
// So a native sidecar may end its drain at once when it is idle, because it goes on serving until the application is
// gone (and a Job ends without a pause); an ordinary container has to hold out while callers still know the pod.
func lifecycle(p *patch) *corev1.Lifecycle {
	if p.cfg.SkipDrain || keepsImage(p) {
		return pause(p)
	}
	return &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: drainCommand(p)}}}
}

// pause is for an image without proxyctl. The proxy serves on while its address is being taken out of service, and then
// ends with what is in flight; a native sidecar outlives the application anyway.
func pause(p *patch) *corev1.Lifecycle {
	delay := min(int64(p.cfg.DrainDelaySeconds), drainDeadline(p))
	if delay == 0 || p.target.Kind == KindVirtualNode && !p.classic {
		return nil
	}
	return &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: delay}}}
}

// drainDeadline is how long the proxy may take to stop.
func drainDeadline(p *patch) int64 {
	grace := int64(defaultGrace)
	if g := p.pod.Spec.TerminationGracePeriodSeconds; g != nil {
		grace = *g
	}
	deadline := max(0, grace-graceReserve)
	if limit := int64(p.cfg.DrainDeadlineSeconds); limit > 0 {
		deadline = min(deadline, limit)
	}
	return deadline
}

func drainCommand(p *patch) []string {
	deadline := drainDeadline(p)
	command := []string{pathProxyctl, "drain"}
	if p.target.Kind == KindVirtualNode {
		// The application still needs its way out, and a native sidecar its way in.
		command = append(command, "--keep-listening")
	}
	if p.target.Kind == KindVirtualGateway || p.classic {
		command = append(command, seconds("--delay", min(int64(p.cfg.DrainDelaySeconds), deadline)))
	}
	return append(command, seconds("--deadline", deadline))
}

func seconds(flag string, n int64) string { return fmt.Sprintf("%s=%ds", flag, n) }
