package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Types of alert provider. All but generic are Flagger's.
const (
	AlertTypeSlack   = "slack"
	AlertTypeMSTeams = "msteams"
	AlertTypeDiscord = "discord"
	AlertTypeRocket  = "rocket"
	AlertTypeGChat   = "gchat"
	// AlertTypeGeneric posts plain JSON, for a receiver that knows none of the others.
	AlertTypeGeneric = "generic"
)

// AlertProviderSpec says where alerts go.
type AlertProviderSpec struct {
	// Type of the provider.
	// +kubebuilder:validation:Enum=slack;msteams;discord;rocket;gchat;generic
	Type string `json:"type,omitempty"`
	// Channel to post in; general if absent.
	Channel string `json:"channel,omitempty"`
	// Username to post as; flagger if absent.
	Username string `json:"username,omitempty"`
	// Address is the URL to post to; needed unless secretRef has it.
	Address string `json:"address,omitempty"`
	// Proxy is the URL of an HTTP proxy.
	Proxy string `json:"proxy,omitempty"`
	// SecretRef points at a Secret with the key address, and token for a bearer token.
	SecretRef *SecretReference `json:"secretRef,omitempty"`
}

// AlertProviderStatus is the observed state of an AlertProvider. Flagger's CRD declares none and its code never
// writes one.
type AlertProviderStatus struct {
	// Conditions of the AlertProvider.
	Conditions []CanaryCondition `json:"conditions,omitempty"`
}

// AlertProvider is a place to send alerts to.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=all
// +kubebuilder:printcolumn:name="Type",type="string",JSONPath=".spec.type"
type AlertProvider struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   AlertProviderSpec   `json:"spec,omitempty"`
	Status AlertProviderStatus `json:"status,omitzero"`
}

// AlertProviderList is a list of AlertProvider.
//
// +kubebuilder:object:root=true
type AlertProviderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []AlertProvider `json:"items"`
}
