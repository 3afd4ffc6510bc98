package validate

import corev1 "k8s.io/api/core/v1"

var serviceRules = []bound[corev1.Service]{
	{"SL048", leftToRollout[corev1.Service]},
}

// Service checks a Service where a rollout made it; old is nil when it is new.
func Service(old, new *corev1.Service, world World) []Finding {
	return evaluate(serviceRules, change[corev1.Service]{old: old, new: new, world: world})
}
