// Package v1beta2 holds the types of the API group appmesh.k8s.aws/v1beta2: the seven kinds that describe a mesh.
// The shapes, names, limits and defaults are those of the App Mesh controller's CRDs, so that YAML written for
// App Mesh decodes without change; the code is data only.
//
// Optional values are pointers where "absent" differs from the zero value. Ports and weights are int64, as the
// CRDs declare them. Nothing here defaults a field: a default is applied where the field is read.
//
// +groupName=appmesh.k8s.aws
// +kubebuilder:object:generate=true
package v1beta2
