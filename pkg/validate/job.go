package validate

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

var (
	jobRules = []bound[batchv1.Job]{{"SL070", func(c change[batchv1.Job]) []problem {
		return jobEnds(c.world, c.new.Spec.Template, field.NewPath("spec", "template"))
	}}}
	cronJobRules = []bound[batchv1.CronJob]{{"SL070", func(c change[batchv1.CronJob]) []problem {
		return jobEnds(c.world, c.new.Spec.JobTemplate.Spec.Template, field.NewPath("spec", "jobTemplate", "spec", "template"))
	}}}
)

// Job checks a Job where its pods get a proxy; old is nil when it is new.
func Job(old, new *batchv1.Job, world World) []Finding {
	return evaluate(jobRules, change[batchv1.Job]{old: old, new: new, world: world})
}

// CronJob checks a CronJob where its pods get a proxy; old is nil when it is new.
func CronJob(old, new *batchv1.CronJob, world World) []Finding {
	return evaluate(cronJobRules, change[batchv1.CronJob]{old: old, new: new, world: world})
}

// jobEnds is SL070: a proxy that is an ordinary container never ends, and the Job with it.
func jobEnds(w World, template corev1.PodTemplateSpec, path *field.Path) []problem {
	injected := w.NamespaceLabels[injectKey] == appmeshv1beta2.ValueEnabled || template.Annotations[injectKey] == appmeshv1beta2.ValueEnabled
	if !injected || template.Annotations[injectKey] == appmeshv1beta2.ValueDisabled ||
		template.Annotations[sluice.AnnotationSidecarMode] != sluice.SidecarModeContainer {
		return nil
	}
	return one(path.Child("metadata", "annotations").Key(sluice.AnnotationSidecarMode), Warn,
		"the proxy runs on as an ordinary container when the work is done, so the Job never completes; remove the annotation, for a native sidecar ends with its pod")
}
