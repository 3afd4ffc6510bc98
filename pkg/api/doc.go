// Package api only generates: its folders hold the types of the two API groups that Sluice serves
// (appmesh/v1beta2 and canary/v1beta1) and the names that our processes share (sluice).
//
// One command brings everything that derives from the types up to date, the deepcopy functions beside them and
// the CRDs in config/crd:
//
//	go generate ./pkg/api/...
package api

//go:generate go -C ../.. run ./config/crd/gen
