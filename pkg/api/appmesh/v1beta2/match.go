package v1beta2

// MatchRange is a range of integers: start is in it, end is not.
type MatchRange struct {
	// Start of the range, inclusive.
	Start int64 `json:"start"`
	// End of the range, exclusive.
	End int64 `json:"end"`
}

// HeaderMatchMethod is how the value of a header is matched: exactly one of its fields.
type HeaderMatchMethod struct {
	// Exact value.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Exact *string `json:"exact,omitempty"`
	// Prefix of the value.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Prefix *string `json:"prefix,omitempty"`
	// Suffix of the value.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Suffix *string `json:"suffix,omitempty"`
	// Regex that the whole value matches.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Regex *string `json:"regex,omitempty"`
	// Range that the value, an integer, is in.
	Range *MatchRange `json:"range,omitempty"`
}

// HTTPRouteHeader matches a header of a request.
type HTTPRouteHeader struct {
	// Name of the header.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	Name string `json:"name"`
	// Match of the value; without it the header only has to be there.
	Match *HeaderMatchMethod `json:"match,omitempty"`
	// Invert turns the match around.
	Invert *bool `json:"invert,omitempty"`
}

// HTTPPathMatch matches the path of a request: exactly one of its fields.
type HTTPPathMatch struct {
	// Exact path.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Exact *string `json:"exact,omitempty"`
	// Regex that the whole path matches.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Regex *string `json:"regex,omitempty"`
}

// HTTPQueryParameters matches a query parameter of a request.
type HTTPQueryParameters struct {
	// Name of the parameter.
	Name string `json:"name"`
	// Match of the value; without it the parameter only has to be there.
	Match *QueryMatchMethod `json:"match,omitempty"`
}

// QueryMatchMethod is how the value of a query parameter is matched.
type QueryMatchMethod struct {
	// Exact value.
	Exact *string `json:"exact,omitempty"`
}

// GRPCRouteMetadataMatchMethod is how the value of a metadata entry is matched: exactly one of its fields.
type GRPCRouteMetadataMatchMethod struct {
	// Exact value.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Exact *string `json:"exact,omitempty"`
	// Prefix of the value.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Prefix *string `json:"prefix,omitempty"`
	// Suffix of the value.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Suffix *string `json:"suffix,omitempty"`
	// Regex that the whole value matches.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Regex *string `json:"regex,omitempty"`
	// Range that the value, an integer, is in.
	Range *MatchRange `json:"range,omitempty"`
}

// GRPCRouteMetadata matches an entry of a call's metadata.
type GRPCRouteMetadata struct {
	// Name of the entry.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	Name string `json:"name"`
	// Match of the value; without it the entry only has to be there.
	Match *GRPCRouteMetadataMatchMethod `json:"match,omitempty"`
	// Invert turns the match around.
	Invert *bool `json:"invert,omitempty"`
}
