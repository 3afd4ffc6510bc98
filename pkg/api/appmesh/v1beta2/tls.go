package v1beta2

// BackendDefaults hold for every backend that does not say otherwise.
type BackendDefaults struct {
	// ClientPolicy is how connections to backends are made.
	ClientPolicy *ClientPolicy `json:"clientPolicy,omitempty"`
}

// ClientPolicy is how connections to a backend are made.
type ClientPolicy struct {
	// TLS of connections to the backend.
	TLS *ClientPolicyTLS `json:"tls,omitempty"`
}

// ClientPolicyTLS is the TLS of connections to a backend.
type ClientPolicyTLS struct {
	// Enforce refuses to connect without TLS; true if absent.
	Enforce *bool `json:"enforce,omitempty"`
	// Ports that the policy is for; all if empty.
	// +kubebuilder:validation:items:Minimum=1
	// +kubebuilder:validation:items:Maximum=65535
	Ports []int64 `json:"ports,omitempty"`
	// Certificate that the client shows.
	Certificate *ClientTLSCertificate `json:"certificate,omitempty"`
	// Validation of the certificate that the backend shows.
	Validation TLSValidationContext `json:"validation"`
}

// ClientTLSCertificate is the certificate of a client: one of file and sds.
type ClientTLSCertificate struct {
	// File in the proxy's container.
	File *ListenerTLSFileCertificate `json:"file,omitempty"`
	// SDS names a secret of a local secret discovery service.
	SDS *ListenerTLSSDSCertificate `json:"sds,omitempty"`
}

// ListenerTLSMode says whether a listener takes plain connections.
// +kubebuilder:validation:Enum=DISABLED;PERMISSIVE;STRICT
type ListenerTLSMode string

// Modes of a listener's TLS.
const (
	// ListenerTLSModeDisabled takes plain connections only.
	ListenerTLSModeDisabled ListenerTLSMode = "DISABLED"
	// ListenerTLSModePermissive takes plain and TLS connections.
	ListenerTLSModePermissive ListenerTLSMode = "PERMISSIVE"
	// ListenerTLSModeStrict takes TLS connections only.
	ListenerTLSModeStrict ListenerTLSMode = "STRICT"
)

// ListenerTLS is the TLS of a listener of a virtual node or a virtual gateway.
type ListenerTLS struct {
	// Mode says whether plain connections are taken.
	Mode ListenerTLSMode `json:"mode"`
	// Certificate that the listener shows.
	Certificate ListenerTLSCertificate `json:"certificate"`
	// Validation of the certificate that a client shows; without it clients need none.
	Validation *TLSValidationContext `json:"validation,omitempty"`
}

// ListenerTLSCertificate is the certificate of a listener: one of acm, file and sds.
type ListenerTLSCertificate struct {
	// ACM certificate. There is no AWS to issue it any more, so it is accepted and reported, not honoured.
	ACM *ListenerTLSACMCertificate `json:"acm,omitempty"`
	// File in the proxy's container.
	File *ListenerTLSFileCertificate `json:"file,omitempty"`
	// SDS names a secret of a local secret discovery service.
	SDS *ListenerTLSSDSCertificate `json:"sds,omitempty"`
}

// ListenerTLSACMCertificate is a certificate of AWS Certificate Manager.
type ListenerTLSACMCertificate struct {
	// CertificateARN is the ARN of the certificate.
	CertificateARN string `json:"certificateARN"`
}

// ListenerTLSFileCertificate is a certificate in files of the proxy's container.
type ListenerTLSFileCertificate struct {
	// CertificateChain is the path of the certificate chain (PEM).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	CertificateChain string `json:"certificateChain"`
	// PrivateKey is the path of the private key (PEM).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	PrivateKey string `json:"privateKey"`
}

// ListenerTLSSDSCertificate is a certificate of a local secret discovery service.
type ListenerTLSSDSCertificate struct {
	// SecretName is the name of the SDS resource.
	SecretName string `json:"secretName"`
}

// TLSValidationContext says which certificates of the other side are accepted.
type TLSValidationContext struct {
	// Trust is the set of certificate authorities.
	Trust TLSValidationContextTrust `json:"trust"`
	// SubjectAlternativeNames that the certificate must carry one of; without it any name will do.
	SubjectAlternativeNames *SubjectAlternativeNames `json:"subjectAlternativeNames,omitempty"`
}

// TLSValidationContextTrust is a set of certificate authorities: one of acm, file and sds.
// App Mesh has no acm for the listeners of virtual nodes; one type serves both sides here, and more is accepted.
type TLSValidationContextTrust struct {
	// ACM authorities. There is no AWS to read them from any more, so they are accepted and reported, not honoured.
	ACM *TLSValidationContextACMTrust `json:"acm,omitempty"`
	// File in the proxy's container.
	File *TLSValidationContextFileTrust `json:"file,omitempty"`
	// SDS names a secret of a local secret discovery service.
	SDS *TLSValidationContextSDSTrust `json:"sds,omitempty"`
}

// TLSValidationContextACMTrust names authorities of AWS Certificate Manager.
type TLSValidationContextACMTrust struct {
	// CertificateAuthorityARNs are the ARNs of 1 to 3 authorities.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	CertificateAuthorityARNs []string `json:"certificateAuthorityARNs"`
}

// TLSValidationContextFileTrust names a file of certificate authorities.
type TLSValidationContextFileTrust struct {
	// CertificateChain is the path of the authorities' certificates (PEM).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	CertificateChain string `json:"certificateChain"`
}

// TLSValidationContextSDSTrust names authorities of a local secret discovery service.
type TLSValidationContextSDSTrust struct {
	// SecretName is the name of the SDS resource.
	SecretName string `json:"secretName"`
}

// SubjectAlternativeNames restricts the names of a certificate.
type SubjectAlternativeNames struct {
	// Match says which names are accepted.
	Match SubjectAlternativeNameMatchers `json:"match"`
}

// SubjectAlternativeNameMatchers lists accepted names.
type SubjectAlternativeNameMatchers struct {
	// Exact names; one of them must be in the certificate.
	Exact []string `json:"exact"`
}
