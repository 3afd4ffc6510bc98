package validate

import (
	"maps"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	engine "github.com/sluice-mesh/sluice/pkg/canary"
)

// What the target of a Canary must be like is told when either of them is written: the Canary names its target, and
// the target is found by its Canaries.

// suits is a check of a target for a Canary. at turns a path of the target into one of whichever object is written.
type suits func(w World, canary *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem

// ofCanary applies a check when the Canary is written.
func ofCanary(check suits) func(change[canaryv1beta1.Canary]) []problem {
	return func(c change[canaryv1beta1.Canary]) []problem {
		ref := c.new.Spec.TargetRef
		target, object, known := c.world.target(c.new.Namespace, ref.Kind, ref.Name)
		if !known {
			return nil
		}
		return check(c.world, c.new, target, object, func(*field.Path) *field.Path { return field.NewPath("spec", "targetRef") })
	}
}

// ofTarget applies a check when the target is written.
func ofTarget[T any](check suits) func(change[T]) []problem {
	return func(c change[T]) []problem {
		object := any(c.new).(metav1.Object)
		target := podsOf(c.new)
		var out []problem
		for _, canary := range c.world.canariesOf(workload{object.GetNamespace(), "apps", target.kind, object.GetName()}) {
			out = append(out, check(c.world, canary, target, object, func(path *field.Path) *field.Path { return path })...)
		}
		return out
	}
}

// canaryTargetThere is SL023.
func canaryTargetThere(c change[canaryv1beta1.Canary]) []problem {
	ref := c.new.Spec.TargetRef
	if !c.world.knows(ref.Kind, c.new.Namespace) || c.world.object(ref.Kind, c.new.Namespace, ref.Name) != nil {
		return nil
	}
	return one(field.NewPath("spec", "targetRef", "name"), c.world.atStart(), "there is no %s in namespace %s; apply it, or correct the reference", quoted(ref.Kind, ref.Name), c.new.Namespace)
}

// versionLabels are the labels that can tell the two versions of a target apart; the first that it selects by wins.
func (w World) versionLabels() []string {
	if len(w.SelectorLabels) > 0 {
		return w.SelectorLabels
	}
	return engine.SelectorLabels
}

// targetSelected is SL026.
func targetSelected(w World, _ *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem {
	if target.selector == nil || w.versionLabel(target) != "" {
		return nil
	}
	return one(at(field.NewPath("spec", "selector", "matchLabels")), w.atStart(),
		"%s selects its pods by none of the labels %s, so its two versions could not be told apart; make it anew with one of them, such as %s: %s",
		quoted(target.kind, object.GetName()), strings.Join(w.versionLabels(), ", "), w.versionLabels()[0], object.GetName())
}

// versionLabel is the label of a target that has another value on its primary; "" when it has none.
func (w World) versionLabel(target pods) string {
	if target.selector == nil {
		return ""
	}
	for _, label := range w.versionLabels() {
		if _, ok := target.selector.MatchLabels[label]; ok {
			return label
		}
	}
	return ""
}

// primaryLabels are the labels that the primary's pods will have.
func (w World) primaryLabels(target pods) labels.Set {
	out := labels.Set{}
	for name, value := range target.template.Labels {
		out[name] = value
	}
	if label := w.versionLabel(target); label != "" {
		out[label] = target.selector.MatchLabels[label] + "-primary"
	}
	return out
}

// targetApart is SL027: nobody else's pods are those that the Services of the two versions select. They select by all
// labels of the target's selector, so workloads that share some of them, as those of one chart do, are apart.
func targetApart(w World, canary *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem {
	label := w.versionLabel(target)
	if label == "" {
		return nil // SL026 speaks
	}
	own := object.GetName()
	for _, version := range []string{target.selector.MatchLabels[label], target.selector.MatchLabels[label] + "-primary"} {
		selected := labels.Set(maps.Clone(target.selector.MatchLabels))
		selected[label] = version
		for _, other := range w.labelled(canary.Namespace, map[string]string{label: version}) {
			if other.kind == target.kind && (other.name == own || other.name == own+"-primary") {
				continue
			}
			theirs, _, _ := w.target(other.namespace, other.kind, other.name)
			if !selected.AsSelector().Matches(labels.Set(theirs.template.Labels)) {
				continue
			}
			return one(at(field.NewPath("spec", "selector", "matchLabels").Key(label)), w.atStart(),
				"the pods of %s are labelled %s too, so callers of %s would reach them; label them otherwise", other, selected, quoted(target.kind, own))
		}
	}
	return nil
}

// targetFree is SL028.
func targetFree(_ World, _ *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem {
	owner := metav1.GetControllerOf(object)
	if owner == nil {
		return nil
	}
	advice := "release what nobody else controls"
	if owner.Kind == kindCanary {
		advice = sprintf("set targetRef.name to what %s releases", quoted(owner.Kind, owner.Name))
	}
	return one(at(field.NewPath("metadata", "ownerReferences")), Deny, "%s belongs to %s, which would undo whatever a release changes; %s",
		quoted(target.kind, object.GetName()), quoted(owner.Kind, owner.Name), advice)
}

// targetInjected is SL052.
func targetInjected(_ World, canary *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem {
	if !routed(canary) || target.template.Annotations[injectKey] != appmeshv1beta2.ValueDisabled {
		return nil
	}
	return one(at(field.NewPath("spec", "template", "metadata", "annotations").Key(injectKey)), Warn,
		"the pods of %s get no proxy, so their callers' requests are not shared out between its versions; remove the annotation, or use provider kubernetes",
		quoted(target.kind, object.GetName()))
}

// targetRolls is SL057.
func targetRolls(_ World, _ *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem {
	switch o := object.(type) {
	case *appsv1.Deployment:
		if o.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
			return one(at(field.NewPath("spec", "strategy", "type")), Warn,
				"with strategy Recreate the promotion stops all pods of the primary before it starts new ones; set strategy.type to RollingUpdate")
		}
	case *appsv1.DaemonSet:
		if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
			return one(at(field.NewPath("spec", "updateStrategy", "type")), Deny,
				"with updateStrategy OnDelete the primary of %s never takes a new revision, so no release would end; set updateStrategy.type to RollingUpdate", quoted(target.kind, object.GetName()))
		}
	}
	return nil
}

// targetMoves is SL058.
func targetMoves(w World, _ *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem {
	if o, ok := object.(*appsv1.Deployment); !ok || !o.Spec.Paused {
		return nil
	}
	return one(at(field.NewPath("spec", "paused")), w.atStart(), "%s is paused, so its new revision would never start; set paused to false", quoted(target.kind, object.GetName()))
}

// targetProbed is SL059.
func targetProbed(_ World, _ *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem {
	for _, container := range target.template.Spec.Containers {
		if container.ReadinessProbe != nil {
			return nil
		}
	}
	return one(at(field.NewPath("spec", "template", "spec", "containers").Index(0).Child("readinessProbe")), Warn,
		"no container of %s has a readinessProbe, so a canary counts as ready as soon as it runs, and gets requests before it can answer; add one", quoted(target.kind, object.GetName()))
}

// targetTime is SL037.
func targetTime(_ World, canary *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem {
	deadline := canary.Spec.ProgressDeadlineSeconds
	if deadline == nil || *deadline <= 0 {
		return nil
	}
	needed := readyAfter(target)
	if o, ok := object.(*appsv1.Deployment); ok {
		needed += time.Duration(o.Spec.MinReadySeconds) * time.Second
	}
	if needed < time.Duration(float64(*deadline)*float64(time.Second)) {
		return nil
	}
	return one(at(field.NewPath("spec", "minReadySeconds")), Warn,
		"a pod of %s may take %s until it counts as ready, by its probes and minReadySeconds, and a release is rolled back after progressDeadlineSeconds %v of %s; raise progressDeadlineSeconds",
		quoted(target.kind, object.GetName()), needed, *deadline, quoted(kindCanary, canary.Name))
}

// readyAfter is how long the probes of a pod allow it to start without anything being wrong.
func readyAfter(target pods) time.Duration {
	var longest time.Duration
	for _, container := range target.template.Spec.Containers {
		var d time.Duration
		if p := container.StartupProbe; p != nil {
			d += probeSeconds(p.InitialDelaySeconds, 0) + probeSeconds(p.PeriodSeconds, 10)*time.Duration(max(1, orDefault(p.FailureThreshold, 3)))
		}
		if p := container.ReadinessProbe; p != nil {
			d += probeSeconds(p.InitialDelaySeconds, 0)
		}
		longest = max(longest, d)
	}
	return longest
}

func probeSeconds(n, unset int32) time.Duration {
	return time.Duration(orDefault(n, unset)) * time.Second
}

func orDefault(n, unset int32) int32 {
	if n == 0 {
		return unset
	}
	return n
}

// canaryDeadlineCounts is the part of SL037 that needs no target.
func canaryDeadlineCounts(c change[canaryv1beta1.Canary]) []problem {
	deadline := c.new.Spec.ProgressDeadlineSeconds
	if deadline == nil || *deadline > 0 {
		return ofCanary(targetTime)(c)
	}
	return one(field.NewPath("spec", "progressDeadlineSeconds"), Warn, "progressDeadlineSeconds %v counts as 600; write the seconds that a pod may take to become ready, such as 120", *deadline)
}

// targetConfigs is SL065: what the pods read is there, and not what too many releases read.
func targetConfigs(w World, canary *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem {
	var out []problem
	path := at(field.NewPath("spec", "template", "spec"))
	for _, config := range target.configsOf() {
		if w.knows(config.Kind, canary.Namespace) && !config.Optional && w.object(config.Kind, canary.Namespace, config.Name) == nil {
			out = append(out, problem{path, Warn, sprintf("%s reads %s, and there is none, so its pods would not start; apply it, or correct the reference", quoted(target.kind, object.GetName()), quoted(config.Kind, config.Name))})
			continue
		}
		if n := w.releasesReading(canary, config); n >= manyReleases {
			out = append(out, problem{path, Warn, sprintf("%d Canaries release workloads that read %s, and a change of it starts all of them at once; give each its own, or annotate it with %s: disabled", n, quoted(config.Kind, config.Name), engine.AnnotationConfigTracking)})
		}
	}
	return out
}

// manyReleases at once are a storm.
const manyReleases = 5

// releasesReading counts the Canaries whose targets read a ConfigMap or Secret that is tracked, one that is known to with them.
func (w World) releasesReading(known *canaryv1beta1.Canary, c engine.ConfigReference) int {
	if object := w.object(c.Kind, known.Namespace, c.Name); object != nil && !engine.ConfigTracked(object.GetAnnotations(), "") {
		return 0
	}
	releases := map[string]bool{known.Name: true}
	for _, kind := range []string{kindDeployment, kindDaemonSet} {
		for _, reader := range w.Cluster.Related(Relation{Kind: kind, by: reads, to: key(c.Kind, known.Namespace, c.Name)}) {
			for _, reading := range w.canariesOf(workload{known.Namespace, "apps", kind, reader.GetName()}) {
				releases[reading.Name] = true
			}
		}
	}
	return len(releases)
}

// targetVolumes is SL066.
func targetVolumes(_ World, _ *canaryv1beta1.Canary, target pods, object metav1.Object, at func(*field.Path) *field.Path) []problem {
	for i, volume := range target.template.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil || volume.PersistentVolumeClaim.ReadOnly {
			continue
		}
		return one(at(field.NewPath("spec", "template", "spec", "volumes").Index(i).Child("persistentVolumeClaim")), Warn,
			"the primary and the canary of %s would write to the same claim %q at once, or one of them would not start; keep what they share elsewhere, or mount it read only",
			quoted(target.kind, object.GetName()), volume.PersistentVolumeClaim.ClaimName)
	}
	return nil
}

// requestsOf sums what one pod of a workload requests, the limits where it requests nothing.
func requestsOf(target pods) corev1.ResourceList {
	sum := corev1.ResourceList{}
	for _, container := range target.template.Spec.Containers {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			amount, ok := container.Resources.Requests[name]
			if !ok {
				amount, ok = container.Resources.Limits[name]
			}
			if ok {
				total := sum[name]
				total.Add(amount)
				sum[name] = total
			}
		}
	}
	return sum
}
