package notify

import (
	"context"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Call posts a Canary's webhook and returns nil if the answer is yes. phase is what the webhook is told.
func (c *Client) Call(ctx context.Context, canary *canaryv1beta1.Canary, phase string, hook canaryv1beta1.CanaryWebhook) error {
	return c.Post(ctx, Hook{
		URL:        hook.URL,
		Timeout:    timeout(hook.Timeout),
		Retries:    hook.Retries.IntOr(0),
		DisableTLS: hook.DisableTLS,
		Payload: Payload{
			Name:      canary.Name,
			Namespace: canary.Namespace,
			Phase:     phase,
			Checksum:  Checksum(canary.Status.LastAppliedSpec, canary.Status.TrackedConfigs),
			Metadata:  hook.Metadata,
		},
	})
}

// Tell posts an event of a Canary to a webhook of the type event.
func (c *Client) Tell(ctx context.Context, canary *canaryv1beta1.Canary, hook canaryv1beta1.CanaryWebhook, message, eventType string, at time.Time) error {
	hook.Metadata = Happened(message, eventType, at, hook.Metadata)
	return c.Call(ctx, canary, string(canary.Status.Phase), hook)
}

// timeout reads a spec's duration; zero, which means the default, if it cannot be read.
func timeout(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}
