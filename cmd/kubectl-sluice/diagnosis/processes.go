package diagnosis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// processNames are the Deployments of an installation.
var processNames = []string{sluice.WebhookService, sluice.MeshService, sluice.CanaryService}

// processes looks at our Deployments: there, ready, and running one image.
func processes(c Cluster) []Finding {
	var out []Finding
	var ready []string
	for _, name := range processNames {
		d := c.deployment(name)
		if d == nil {
			out = append(out, Finding{Severity: Error, Message: fmt.Sprintf("there is no Deployment %s in namespace %s", name, c.Namespace),
				Remedy: "install Sluice, or say where it is with --sluice-namespace"})
			continue
		}
		want := int32(1)
		if d.Spec.Replicas != nil {
			want = *d.Spec.Replicas
		}
		switch n := d.Status.ReadyReplicas; {
		case want == 0:
			out = append(out, Finding{Severity: Error, Message: name + " is scaled to zero", Remedy: fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=1", c.Namespace, name)})
		case n == 0:
			out = append(out, Finding{Severity: Error, Message: fmt.Sprintf("%s has no ready replica%s", name, c.whyNotReady(name)), Remedy: c.logs(name)})
		case n < want:
			out = append(out, Finding{Severity: Warning, Message: fmt.Sprintf("%s has %d of %d replicas ready%s", name, n, want, c.whyNotReady(name)), Remedy: c.logs(name)})
		default:
			ready = append(ready, fmt.Sprintf("%s %d/%d", name, n, want))
		}
	}
	if images := c.images(); len(images) > 1 {
		out = append(out, Finding{Severity: Warning, Message: "the processes are not of one version: " + strings.Join(images, "; "),
			Remedy: "wait for the upgrade to end, or apply all of config/default from one release"})
	}
	if len(out) == 0 {
		return ok(strings.Join(ready, ", ") + " ready, of one version")
	}
	return out
}

func (c Cluster) deployment(name string) *appsv1.Deployment {
	for i, d := range c.Deployments {
		if d.Namespace == c.Namespace && d.Name == name {
			return &c.Deployments[i]
		}
	}
	return nil
}

func (c Cluster) logs(name string) string {
	return fmt.Sprintf("kubectl -n %s logs deployment/%s; kubectl -n %s describe pods -l app.kubernetes.io/name=%s", c.Namespace, name, c.Namespace, name)
}

// whyNotReady is what the kubelet says about the first pod that is not ready.
func (c Cluster) whyNotReady(name string) string {
	for _, pod := range c.podsOf(name) {
		for _, status := range pod.Status.ContainerStatuses {
			if w := status.State.Waiting; w != nil && w.Reason != "" {
				return strings.TrimRight(fmt.Sprintf(": %s of pod %s is in %s %s", status.Name, pod.Name, w.Reason, w.Message), " ")
			}
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
				return fmt.Sprintf(": pod %s is not scheduled: %s", pod.Name, condition.Message)
			}
		}
	}
	return ""
}

func (c Cluster) podsOf(name string) []corev1.Pod {
	var out []corev1.Pod
	for _, pod := range c.Pods {
		if pod.Labels["app.kubernetes.io/name"] == name && pod.DeletionTimestamp == nil {
			out = append(out, pod)
		}
	}
	return out
}

// images are those that the processes run, each with who runs it.
func (c Cluster) images() []string {
	users := map[string]map[string]bool{}
	for _, name := range processNames {
		for _, pod := range c.podsOf(name) {
			for _, container := range pod.Spec.Containers {
				// The process's own container; others are somebody's sidecars.
				if "sluice-"+container.Name != name {
					continue
				}
				if users[container.Image] == nil {
					users[container.Image] = map[string]bool{}
				}
				users[container.Image][name] = true
			}
		}
	}
	var out []string
	for _, image := range slices.Sorted(maps.Keys(users)) {
		out = append(out, fmt.Sprintf("%s in %s", image, strings.Join(slices.Sorted(maps.Keys(users[image])), ", ")))
	}
	return out
}

// kinds looks for kinds and fields that the API server would drop.
func kinds(c Cluster) []Finding {
	if len(c.Lacks) == 0 {
		return ok("the cluster's kinds have the fields that Sluice adds")
	}
	var out []Finding
	for _, lack := range c.Lacks {
		out = append(out, Finding{Severity: Error, Message: lack, Remedy: c.LacksRemedy})
	}
	return out
}

// controllers looks for those that want the same objects: they write against each other.
func controllers(c Cluster) []Finding {
	var out []Finding
	for _, d := range c.Deployments {
		for _, container := range d.Spec.Template.Spec.Containers {
			whose, remedy := foreignController(container.Image)
			if whose == "" || d.Status.Replicas == 0 {
				continue
			}
			out = append(out, Finding{Severity: Error,
				Message: fmt.Sprintf("%s runs beside Sluice: Deployment %s/%s with %s", whose, d.Namespace, d.Name, container.Image),
				Remedy:  fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=0; %s", d.Namespace, d.Name, remedy)})
		}
	}
	for _, lease := range c.FlaggerLeases {
		renewed, life := lease.Spec.RenewTime, lease.Spec.LeaseDurationSeconds
		if renewed == nil || life == nil || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
			continue
		}
		if age := c.Now.Sub(renewed.Time); age < leaseLives*seconds(*life) && len(out) == 0 {
			out = append(out, Finding{Severity: Error,
				Message: fmt.Sprintf("a Flagger leads: %s renewed its Lease in namespace %s %s ago", *lease.Spec.HolderIdentity, lease.Namespace, age.Round(seconds(1))),
				Remedy:  "stop it; until then Sluice leaves its Canaries alone"})
		}
	}
	if len(out) == 0 {
		return ok("neither Flagger nor App Mesh's controller runs")
	}
	slices.SortFunc(out, func(a, b Finding) int { return cmp.Compare(a.Message, b.Message) })
	return out
}

// leaseLives is after how many of its lives a Lease that nobody renews counts as nobody's.
const leaseLives = 4

// foreignController knows by its image who a controller is.
func foreignController(image string) (whose, remedy string) {
	name, _, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	name, _, _ = strings.Cut(name, "@")
	switch name {
	case "flagger":
		return "Flagger", "then Sluice takes its Canaries over, without a rollout"
	case "appmesh-controller":
		return "App Mesh's controller", "its control plane is gone, and it writes what Sluice then finds changed"
	}
	return "", ""
}
