package canary

import (
	"context"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/notify/alert"
)

// HookCaller calls the webhooks of Canaries.
type HookCaller interface {
	// Call posts a hook and returns nil if the answer is yes; phase is what the hook is told.
	Call(ctx context.Context, c *canaryv1beta1.Canary, phase string, hook canaryv1beta1.CanaryWebhook) error
	// Tell posts an event, of the type Normal or Warning, to a hook of the type event.
	Tell(ctx context.Context, c *canaryv1beta1.Canary, hook canaryv1beta1.CanaryWebhook, message, eventType string, at time.Time) error
}

// Alerter tells people.
type Alerter interface {
	// Alert sends a message, with a few attempts. Errors hold neither addresses nor tokens.
	Alert(ctx context.Context, to alert.Destination, what alert.Message) error
}

// MetricQuery is one question to a metric provider.
type MetricQuery struct {
	// Provider says who is asked, and where.
	Provider canaryv1beta1.MetricTemplateProvider
	// Credentials are the data of the provider's Secret, nil if it has none.
	Credentials map[string][]byte
	// Interval is the metric's.
	Interval time.Duration
	// Text is the query in the provider's language.
	Text string
}

// MetricReader asks metric providers.
type MetricReader interface {
	// Ask asks for one value. It is not found if the provider answered and had none. Errors hold no credentials.
	Ask(ctx context.Context, q MetricQuery) (value float64, found bool, err error)
}
