package mesh

import (
	"math"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// defaultRetry is what App Mesh's hosted control plane did where no policy was given: a pod that goes away between two
// requests is not the caller's problem.
func defaultRetry() *Retry {
	return &Retry{Attempts: 2, On: []RetryEvent{
		RetryConnectionError, RetryReset, RetryServiceUnavailable, RetryStreamError, RetryUnavailable,
	}}
}

// exposedRetry is the policy of flagger-appmesh-gateway for a number of retries.
func exposedRetry(attempts uint32) *Retry {
	if attempts == 0 {
		return nil
	}
	return &Retry{Attempts: attempts, On: []RetryEvent{
		RetryCancelled, RetryConnectionError, RetryResourceExhausted, RetryServiceUnavailable, RetryStreamError, RetryUnavailable,
	}}
}

// retryEvents are the words of the API that are known.
var retryEvents = map[RetryEvent]bool{
	RetryServerError: true, RetryGatewayError: true, RetryClientError: true, RetryStreamError: true,
	RetryConnectionError: true,
	RetryCancelled:       true, RetryDeadlineExceeded: true, RetryInternal: true, RetryResourceExhausted: true, RetryUnavailable: true,
}

// retryPolicy holds what HTTP's and gRPC's types of policy have in common.
type retryPolicy struct {
	lists   map[string][]RetryEvent
	retries int64
	perTry  appmeshv1beta2.Duration
}

func httpRetry(p *appmeshv1beta2.HTTPRetryPolicy) *retryPolicy {
	if p == nil {
		return nil
	}
	return &retryPolicy{retries: p.MaxRetries, perTry: p.PerRetryTimeout, lists: map[string][]RetryEvent{
		"httpRetryEvents": eventsOf(p.HTTPRetryEvents), "tcpRetryEvents": eventsOf(p.TCPRetryEvents),
	}}
}

func grpcRetry(p *appmeshv1beta2.GRPCRetryPolicy) *retryPolicy {
	if p == nil {
		return nil
	}
	return &retryPolicy{retries: p.MaxRetries, perTry: p.PerRetryTimeout, lists: map[string][]RetryEvent{
		"grpcRetryEvents": eventsOf(p.GRPCRetryEvents), "httpRetryEvents": eventsOf(p.HTTPRetryEvents), "tcpRetryEvents": eventsOf(p.TCPRetryEvents),
	}}
}

func eventsOf[E ~string](events []E) []RetryEvent {
	out := make([]RetryEvent, len(events))
	for i, e := range events {
		out[i] = RetryEvent(e)
	}
	return out
}

// retry converts a policy; none means the default.
func (b *builder) retry(object ObjectRef, path *field.Path, p *retryPolicy) *Retry {
	if p == nil {
		return defaultRetry()
	}
	out := &Retry{PerTry: b.duration(object, path.Child("perRetryTimeout"), p.perTry, 0)}
	if p.retries < 0 || p.retries > math.MaxInt32 {
		b.remark(object, ReasonInvalid, field.Invalid(path.Child("maxRetries"), p.retries, "nothing is tried again; give a small positive number"))
		return nil
	}
	out.Attempts = uint32(p.retries)
	for list, events := range p.lists {
		for i, e := range events {
			if !retryEvents[e] {
				b.remark(object, ReasonNotHonoured, field.Invalid(path.Child(list).Index(i), e,
					"this is not an event of App Mesh's API, so nothing is tried again because of it; use server-error, gateway-error, client-error, stream-error or connection-error"))
				continue
			}
			out.On = append(out.On, e)
		}
	}
	slices.Sort(out.On)
	out.On = slices.Compact(out.On)
	if out.Attempts == 0 || len(out.On) == 0 {
		return nil
	}
	return out
}
