package xds

import (
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previous_hostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// retryWord is what an event is to Envoy: words of retry_on, status codes, or both.
type retryWord struct {
	on    []string
	codes []uint32
}

// unsent are failures before the request left. The caller sees them as a 503 and means them when it retries 503, but
// retriable-status-codes covers answers of an application only.
var unsent = []string{"connect-failure", "refused-stream"}

// retryWords is App Mesh's mapping, as its proxies showed it, with unsent added where 503 is retried.
var retryWords = map[mesh.RetryEvent]retryWord{
	mesh.RetryServerError:        {on: append([]string{"reset"}, unsent...), codes: []uint32{500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511}},
	mesh.RetryGatewayError:       {on: unsent, codes: []uint32{502, 503, 504}},
	mesh.RetryClientError:        {codes: []uint32{409}},
	mesh.RetryStreamError:        {on: []string{"refused-stream"}},
	mesh.RetryConnectionError:    {on: []string{"connect-failure"}},
	mesh.RetryReset:              {on: []string{"reset"}},
	mesh.RetryServiceUnavailable: {on: unsent, codes: []uint32{503}},
	mesh.RetryCancelled:          {on: []string{"cancelled"}},
	mesh.RetryDeadlineExceeded:   {on: []string{"deadline-exceeded"}},
	mesh.RetryInternal:           {on: []string{"internal"}},
	mesh.RetryResourceExhausted:  {on: []string{"resource-exhausted"}},
	mesh.RetryUnavailable:        {on: []string{"unavailable"}},
}

// hostSelectionAttempts is how often Envoy looks for a host that was not tried yet before it takes one that was.
const hostSelectionAttempts = 5

func retryOf(r *mesh.Retry) *routev3.RetryPolicy {
	if r == nil {
		return nil
	}
	var on []string
	var codes []uint32
	for _, event := range r.On {
		word := retryWords[event]
		on = append(on, word.on...)
		codes = append(codes, word.codes...)
	}
	if len(codes) > 0 {
		on = append(on, "retriable-status-codes")
	}
	slices.Sort(on)
	slices.Sort(codes)
	out := &routev3.RetryPolicy{
		RetryOn:                       strings.Join(slices.Compact(on), ","),
		RetriableStatusCodes:          slices.Compact(codes),
		NumRetries:                    wrapperspb.UInt32(r.Attempts),
		RetryHostPredicate:            []*routev3.RetryPolicy_RetryHostPredicate{previousHosts},
		HostSelectionRetryMaxAttempts: hostSelectionAttempts,
	}
	if r.PerTry > 0 {
		out.PerTryTimeout = duration(r.PerTry)
	}
	return out
}

// previousHosts makes a retry go to another pod if there is one.
var previousHosts = &routev3.RetryPolicy_RetryHostPredicate{
	Name:       "envoy.retry_host_predicates.previous_hosts",
	ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{TypedConfig: mustPack(&previous_hostsv3.PreviousHostsPredicate{})},
}
