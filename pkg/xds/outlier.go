package xds

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// outlierDetection ejects by what the caller sees: answers of 500 and above, and failures to get any, in a row.
func outlierDetection(d *mesh.OutlierDetection) *clusterv3.OutlierDetection {
	if d == nil {
		return nil
	}
	return &clusterv3.OutlierDetection{
		Consecutive_5Xx:    wrapperspb.UInt32(d.Errors),
		Interval:           duration(d.Interval),
		BaseEjectionTime:   duration(d.Ejection),
		MaxEjectionPercent: wrapperspb.UInt32(d.MaxPercent),
		// App Mesh promised it; Envoy stopped doing it by default.
		AlwaysEjectOneHost: wrapperspb.Bool(true),
		// Who passes health checks and fails requests stays out as long as it says, and is not let in by the next check.
		SuccessfulActiveHealthCheckUnejectHost: wrapperspb.Bool(false),
		// Nobody asked for Envoy's other detectors, and this is the one that is on by default: it would eject an endpoint
		// that is merely worse than its neighbours.
		EnforcingSuccessRate: wrapperspb.UInt32(0),
	}
}
