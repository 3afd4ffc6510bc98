package mesh

import (
	"math"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// OutlierDetection is when a caller takes an endpoint that fails out of its rotation, and for how long.
type OutlierDetection struct {
	// Errors in a row: answers of 500 and above, and failures to get any.
	Errors uint32 `json:"errors"`
	// Interval between two sweeps, which bring endpoints back.
	Interval Duration `json:"interval"`
	// Ejection is how long the first one lasts; the n-th lasts n times as long.
	Ejection Duration `json:"ejection"`
	// MaxPercent of the endpoints may be out at once, but always one.
	MaxPercent uint32 `json:"maxPercent"`
}

// outlierDetection converts; nil if there is none, or after telling why none is done.
func (b *builder) outlierDetection(ref ObjectRef, path *field.Path, d *appmeshv1beta2.OutlierDetection) *OutlierDetection {
	if d == nil {
		return nil
	}
	var errs field.ErrorList
	if d.MaxServerErrors < 1 || d.MaxServerErrors > math.MaxUint32 {
		errs = append(errs, field.Invalid(path.Child("maxServerErrors"), d.MaxServerErrors, "no endpoint is ejected; give a number of errors, at least 1"))
	}
	if d.MaxEjectionPercent < 0 || d.MaxEjectionPercent > 100 {
		errs = append(errs, field.Invalid(path.Child("maxEjectionPercent"), d.MaxEjectionPercent, "no endpoint is ejected, for a percentage is between 0 and 100"))
	}
	for name, given := range map[string]appmeshv1beta2.Duration{"interval": d.Interval, "baseEjectionDuration": d.BaseEjectionDuration} {
		_, err := toDuration(path.Child(name), given)
		if err == nil && given.Value == 0 {
			err = field.Invalid(path.Child(name, "value"), given.Value, "no endpoint is ejected; give a time above 0")
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	for _, err := range errs {
		b.blocked(ref, ReasonInvalid, err)
	}
	if len(errs) > 0 {
		return nil
	}
	interval, _ := toDuration(path, d.Interval)
	ejection, _ := toDuration(path, d.BaseEjectionDuration)
	return &OutlierDetection{Errors: uint32(d.MaxServerErrors), Interval: interval, Ejection: ejection, MaxPercent: uint32(d.MaxEjectionPercent)}
}
