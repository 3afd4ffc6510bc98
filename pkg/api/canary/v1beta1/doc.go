// Package v1beta1 holds the types of the API group flagger.app/v1beta1: Canary, MetricTemplate and AlertProvider.
// The shapes and names are those of Flagger's CRDs, so that YAML written for Flagger decodes without change; what we
// add is optional (analysis.gate, and the observedGeneration, rollout and more conditions of the status). The code is
// data only.
//
// Flagger's CRDs declare most numbers as "number", which admits fractions, while Flagger's own types are integers and
// fail to decode them. Number decodes them all; whether a fraction makes sense is a question for the rulebook.
// Optional numbers are pointers, nil when absent. Nothing here defaults a field: a default is applied where the field
// is read.
//
// +groupName=flagger.app
// +kubebuilder:object:generate=true
package v1beta1
