package main

import (
	"context"

	"github.com/sluice-mesh/sluice/pkg/kube/canary"
	"github.com/sluice-mesh/sluice/pkg/metric"
)

// metrics lets one door ask through the other.
type metrics struct{ *metric.Client }

// Ask implements the door's interface.
func (m metrics) Ask(ctx context.Context, q canary.MetricQuery) (float64, bool, error) {
	return m.Client.Ask(ctx, metric.Query(q))
}
