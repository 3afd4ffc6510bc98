package mesh

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// Pod is the pod that a token was issued to.
type Pod struct {
	Namespace, Name, UID, ServiceAccount string
}

// algorithms are the signatures that a Kubernetes API server may use. None of them is symmetric, and "none" is not one.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

// leeway is how far the clocks of the API server and of this process may differ.
const leeway = 10 * time.Second

// errUnknownKey means that the key which signed a token is not among those we have: the keys may have rotated.
var errUnknownKey = errors.New("no known key signed it")

// podClaims are the claims that Kubernetes puts into a token that is bound to a pod.
type podClaims struct {
	Kubernetes struct {
		Namespace string `json:"namespace"`
		Pod       struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"pod"`
		ServiceAccount struct {
			Name string `json:"name"`
		} `json:"serviceaccount"`
	} `json:"kubernetes.io"`
}

// keys are what the cluster signs tokens with.
type keys struct {
	issuer string
	set    jose.JSONWebKeySet
}

// check verifies a token against the cluster's keys at a time, and returns its pod. It is pure. Its errors are told to
// the client and contain nothing of the token but its key id, issuer and audience.
func (k keys) check(token string, now time.Time) (Pod, error) {
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return Pod{}, errors.New("it is not a signed JWT")
	}
	key := k.set.Key(parsed.Headers[0].KeyID)
	if len(key) == 0 {
		return Pod{}, fmt.Errorf("key %q: %w", parsed.Headers[0].KeyID, errUnknownKey)
	}
	var claims jwt.Claims
	var pod podClaims
	if err := parsed.Claims(key[0].Key, &claims, &pod); err != nil {
		return Pod{}, errors.New("its signature does not match")
	}
	if err := k.valid(claims, now); err != nil {
		return Pod{}, err
	}
	out := Pod{
		Namespace: pod.Kubernetes.Namespace, Name: pod.Kubernetes.Pod.Name, UID: pod.Kubernetes.Pod.UID,
		ServiceAccount: pod.Kubernetes.ServiceAccount.Name,
	}
	if out.Namespace == "" || out.Name == "" || out.UID == "" {
		return Pod{}, errors.New("it is not bound to a pod")
	}
	return out, nil
}

// valid checks the claims that every token has. A token without an end is not one that a pod's volume holds.
func (k keys) valid(claims jwt.Claims, now time.Time) error {
	switch {
	case claims.Issuer != k.issuer:
		return fmt.Errorf("it was issued by %q, want %q", claims.Issuer, k.issuer)
	case !slices.Contains(claims.Audience, sluice.TokenAudience):
		return fmt.Errorf("it is for %q, want %q", []string(claims.Audience), sluice.TokenAudience)
	case claims.Expiry == nil:
		return errors.New("it never expires")
	case now.After(claims.Expiry.Time().Add(leeway)):
		return fmt.Errorf("it expired at %s", claims.Expiry.Time().UTC().Format(time.RFC3339))
	case claims.NotBefore != nil && now.Add(leeway).Before(claims.NotBefore.Time()):
		return fmt.Errorf("it is not valid before %s", claims.NotBefore.Time().UTC().Format(time.RFC3339))
	}
	return nil
}
