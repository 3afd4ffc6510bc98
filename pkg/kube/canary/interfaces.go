package canary

import (
	"context"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// HookCaller calls the webhooks of Canaries.
type HookCaller interface {
	// Call posts a hook and returns nil if the answer is yes; phase is what the hook is told.
	Call(ctx context.Context, c *canaryv1beta1.Canary, phase string, hook canaryv1beta1.CanaryWebhook) error
	// Tell posts an event, of the type Normal or Warning, to a hook of the type event.
	Tell(ctx context.Context, c *canaryv1beta1.Canary, hook canaryv1beta1.CanaryWebhook, message, eventType string, at time.Time) error
}

// MetricReader asks metric providers.
type MetricReader interface {
	// Measure measures a metric over a span.
	Measure(ctx context.Context, c *canaryv1beta1.Canary, metric canaryv1beta1.CanaryMetric, span canary.Span) canary.Measurement
}
