package envoy

import (
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// A secret is refused because of what is in the pod: a file is missing, or is no certificate. Envoy loads it when that
// changes, and tells nobody, so a refused secret is sent again now and then, to learn what became of it. Envoy does not
// look at content again that it has seen, not even at what it refused; therefore each attempt spells the same folder in
// another way.

// spellings is how many there are. A new stream begins with any of them: it does not know the last one's.
const spellings = 128

// retrySecrets sends what was refused again after a while.
func (f *feed) retrySecrets() {
	secrets := f.lines[resourcev3.SecretType]
	if f.closed || f.retrying != nil || len(secrets.refused()) == 0 {
		return
	}
	f.retrying = time.AfterFunc(f.retryAfter, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.retrying = nil
		f.attempt = (f.attempt + 1) % spellings
		for name := range secrets.refused() {
			f.again[resourcev3.SecretType][name] = struct{}{}
		}
		f.advance()
	})
}

// respell gives the secrets of an answer the spelling of an attempt.
func (a *answer) respell(attempt int) {
	changed := make([]*resource, len(a.changed))
	for i, r := range a.changed {
		changed[i] = r.respelled(attempt)
	}
	a.changed, a.state = changed, changed
}

// respelled is another resource, because this one is everybody's. What was marshalled once can be read, and marshalled
// again.
func (r *resource) respelled(attempt int) *resource {
	secret := &tlsv3.Secret{}
	if err := r.wire.GetResource().UnmarshalTo(secret); err != nil {
		return r
	}
	for _, watched := range []*corev3.WatchedDirectory{secret.GetTlsCertificate().GetWatchedDirectory(), secret.GetValidationContext().GetWatchedDirectory()} {
		if watched != nil {
			watched.Path += strings.Repeat("/.", attempt)
		}
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(secret)
	if err != nil {
		return r
	}
	out := *r
	out.wire = &discoveryv3.Resource{Name: r.name, Version: r.version, Resource: &anypb.Any{TypeUrl: resourcev3.SecretType, Value: body}}
	return &out
}
