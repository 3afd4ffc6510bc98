package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SecretReference points at a Secret in the namespace of the object that holds the reference.
type SecretReference struct {
	// Name of the Secret.
	Name string `json:"name"`
}

// Types of metric provider that are served. The CRD admits others, which are refused by name.
const (
	MetricProviderPrometheus      = "prometheus"
	MetricProviderDatadog         = "datadog"
	MetricProviderCloudWatch      = "cloudwatch"
	MetricProviderExternalMetrics = "externalmetrics"
)

// ServedMetricProviders lists the types of metric provider that are served.
func ServedMetricProviders() []string {
	return []string{MetricProviderPrometheus, MetricProviderDatadog, MetricProviderCloudWatch, MetricProviderExternalMetrics}
}

// MetricTemplateProvider is where a metric comes from.
type MetricTemplateProvider struct {
	// Type of the provider.
	// +kubebuilder:validation:Enum=prometheus;influxdb;datadog;externalmetrics;stackdriver;cloudwatch;newrelic;graphite;dynatrace;keptn;splunk
	Type string `json:"type"`
	// Address is the URL of the provider.
	Address string `json:"address,omitempty"`
	// Headers that are sent with every query.
	Headers map[string][]string `json:"headers,omitempty"`
	// SecretRef points at the credentials.
	SecretRef *SecretReference `json:"secretRef,omitempty"`
	// Region of the provider.
	Region string `json:"region,omitempty"`
	// InsecureSkipVerify skips the verification of the provider's certificate.
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// MetricTemplateSpec is a query that Canaries share.
type MetricTemplateSpec struct {
	// Provider that answers the query.
	Provider MetricTemplateProvider `json:"provider"`
	// Query is a Go template with the functions name, namespace, target, service, ingress, route, interval and variables.
	Query string `json:"query"`
}

// MetricTemplateStatus is the observed state of a MetricTemplate. Flagger's CRD declares none and its code never
// writes one.
type MetricTemplateStatus struct {
	// Conditions of the MetricTemplate.
	Conditions []CanaryCondition `json:"conditions,omitempty"`
}

// MetricTemplate is a query to a metric provider.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=all
// +kubebuilder:printcolumn:name="Provider",type="string",JSONPath=".spec.provider.type"
type MetricTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MetricTemplateSpec   `json:"spec,omitempty"`
	Status MetricTemplateStatus `json:"status,omitzero"`
}

// MetricTemplateList is a list of MetricTemplate.
//
// +kubebuilder:object:root=true
type MetricTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []MetricTemplate `json:"items"`
}
