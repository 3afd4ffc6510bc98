package mesh

import (
	"math"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// Defaults of App Mesh's hosted control plane, which users' timeouts are tuned against.
const (
	defaultTimeout = Duration(15 * time.Second)
	defaultIdle    = Duration(300 * time.Second)
)

// timeouts are the two limits that every protocol's type of timeout comes down to.
type timeouts struct {
	perRequest, idle *appmeshv1beta2.Duration
}

func httpTimeouts(t *appmeshv1beta2.HTTPTimeout) timeouts {
	if t == nil {
		return timeouts{}
	}
	return timeouts{perRequest: t.PerRequest, idle: t.Idle}
}

func grpcTimeouts(t *appmeshv1beta2.GRPCTimeout) timeouts {
	if t == nil {
		return timeouts{}
	}
	return timeouts{perRequest: t.PerRequest, idle: t.Idle}
}

func tcpTimeouts(t *appmeshv1beta2.TCPTimeout) timeouts {
	if t == nil {
		return timeouts{}
	}
	return timeouts{idle: t.Idle}
}

// listenerTimeout gives the limits of a virtual node's listener; own is set if the user gave the first.
// The defaults hold on the listener as well as on the route: raising a timeout takes both, as it did in App Mesh.
func (b *builder) listenerTimeout(object ObjectRef, path *field.Path, protocol Protocol, t *appmeshv1beta2.ListenerTimeout) (timeout, idle Duration, own bool) {
	if t == nil {
		return defaultTimeout, defaultIdle, false
	}
	of := map[Protocol]timeouts{
		HTTP: httpTimeouts(t.HTTP), HTTP2: httpTimeouts(t.HTTP2), GRPC: grpcTimeouts(t.GRPC), TCP: tcpTimeouts(t.TCP),
	}
	given := map[Protocol]bool{HTTP: t.HTTP != nil, HTTP2: t.HTTP2 != nil, GRPC: t.GRPC != nil, TCP: t.TCP != nil}
	for _, p := range []Protocol{GRPC, HTTP, HTTP2, TCP} {
		if given[p] && p != protocol {
			b.remark(object, ReasonNotHonoured, field.Invalid(path.Child(string(p)), field.OmitValueType{},
				"the listener speaks "+string(protocol)+", so this limits nothing; name the timeout after the protocol"))
		}
	}
	chosen := of[protocol]
	timeout, idle = b.timeout(object, path.Child(string(protocol)), chosen)
	return timeout, idle, chosen.perRequest != nil
}

// timeout gives the limits with the defaults where they are not given.
func (b *builder) timeout(object ObjectRef, path *field.Path, t timeouts) (timeout, idle Duration) {
	timeout, idle = defaultTimeout, defaultIdle
	if t.perRequest != nil {
		timeout = b.duration(object, path.Child("perRequest"), *t.perRequest, defaultTimeout)
	}
	if t.idle != nil {
		idle = b.duration(object, path.Child("idle"), *t.idle, defaultIdle)
	}
	return timeout, idle
}

// duration converts; what it cannot convert becomes the fallback.
func (b *builder) duration(object ObjectRef, path *field.Path, d appmeshv1beta2.Duration, fallback Duration) Duration {
	out, err := toDuration(path, d)
	if err != nil {
		b.remark(object, ReasonInvalid, err)
		return fallback
	}
	return out
}

func toDuration(path *field.Path, d appmeshv1beta2.Duration) (Duration, *field.Error) {
	unit := time.Second
	switch d.Unit {
	case appmeshv1beta2.DurationUnitS:
	case appmeshv1beta2.DurationUnitMS:
		unit = time.Millisecond
	default:
		return 0, field.NotSupported(path.Child("unit"), d.Unit, []appmeshv1beta2.DurationUnit{"s", "ms"})
	}
	// Envoy counts in int64 nanoseconds too: what does not fit here, it would refuse with everything else in its message.
	if d.Value < 0 || d.Value > math.MaxInt64/int64(unit) {
		return 0, field.Invalid(path.Child("value"), d.Value, "give a number of units that is not negative and below 292 years")
	}
	return Duration(time.Duration(d.Value) * unit), nil
}
