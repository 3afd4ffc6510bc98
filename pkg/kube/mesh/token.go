package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

const (
	// keysFetchedAtMost is the shortest time between two looks at the cluster's keys. Anybody can send a token with an
	// unknown key, so without it we would pass on every such request to the API server.
	keysFetchedAtMost = 10 * time.Second
	// keysMaxAge is after how long the keys are looked at again anyway, so that a withdrawn key is forgotten.
	keysMaxAge = time.Hour
	// verifyTimeout bounds one question to the API server.
	verifyTimeout = 10 * time.Second
)

// TokenVerifier checks service-account tokens with the cluster's public keys, so that thousands of reconnecting
// proxies cost the API server nothing. If the keys cannot be had it asks the API server about each token.
type TokenVerifier struct {
	client kubernetes.Interface
	now    func() time.Time

	mu      sync.Mutex
	keys    keys
	fetched time.Time
	tried   time.Time
	lastErr error
}

// NewTokenVerifier returns a verifier that gets the keys when it needs them.
func NewTokenVerifier(client kubernetes.Interface) *TokenVerifier {
	return &TokenVerifier{client: client, now: time.Now}
}

// Verify returns the pod that the token was issued to.
func (v *TokenVerifier) Verify(ctx context.Context, token string) (Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	known, err := v.current(ctx, false)
	if err != nil {
		return v.review(ctx, token, err)
	}
	pod, err := known.check(token, v.now())
	if errors.Is(err, errUnknownKey) {
		if known, refetchErr := v.current(ctx, true); refetchErr == nil {
			return known.check(token, v.now())
		}
	}
	return pod, err
}

// current returns the keys, fetched again if they are old or if renew asks for it, but not too often.
func (v *TokenVerifier) current(ctx context.Context, renew bool) (keys, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	have := !v.fetched.IsZero()
	if have && !renew && now.Sub(v.fetched) < keysMaxAge {
		return v.keys, nil
	}
	if now.Sub(v.tried) < keysFetchedAtMost {
		if have {
			return v.keys, nil
		}
		return keys{}, v.lastErr
	}
	v.tried = now
	fetched, err := fetchKeys(ctx, v.client)
	if err != nil {
		v.lastErr = err
		if have {
			// Old keys still prove what they proved before.
			return v.keys, nil
		}
		return keys{}, err
	}
	v.keys, v.fetched, v.lastErr = fetched, now, nil
	return v.keys, nil
}

// fetchKeys asks the API server for its issuer and its public keys.
func fetchKeys(ctx context.Context, client kubernetes.Interface) (keys, error) {
	var discovery struct {
		Issuer string `json:"issuer"`
	}
	var out keys
	for path, into := range map[string]any{"/.well-known/openid-configuration": &discovery, "/openid/v1/jwks": &out.set} {
		body, err := client.Discovery().RESTClient().Get().AbsPath(path).Do(ctx).Raw()
		if err != nil {
			return keys{}, fmt.Errorf("get %s: %w", path, err)
		}
		if err := json.Unmarshal(body, into); err != nil {
			return keys{}, fmt.Errorf("read %s: %w", path, err)
		}
	}
	if discovery.Issuer == "" || len(out.set.Keys) == 0 {
		return keys{}, errors.New("the API server publishes no issuer or no keys")
	}
	out.issuer = discovery.Issuer
	return out, nil
}

// review asks the API server about one token.
func (v *TokenVerifier) review(ctx context.Context, token string, because error) (Pod, error) {
	review, err := v.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{sluice.TokenAudience}},
	}, metav1.CreateOptions{})
	if err != nil {
		return Pod{}, fmt.Errorf("neither the cluster's keys (%w) nor a token review can be had: %w", because, err)
	}
	return reviewedPod(review.Status)
}

// reviewedPod reads a token review. It is pure.
func reviewedPod(status authenticationv1.TokenReviewStatus) (Pod, error) {
	if !status.Authenticated || !slices.Contains(status.Audiences, sluice.TokenAudience) {
		return Pod{}, errors.New("the API server does not accept it for " + sluice.TokenAudience)
	}
	extra := func(key string) string {
		if values := status.User.Extra["authentication.kubernetes.io/"+key]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
	rest, isServiceAccount := strings.CutPrefix(status.User.Username, "system:serviceaccount:")
	namespace, account, named := strings.Cut(rest, ":")
	out := Pod{Namespace: namespace, Name: extra("pod-name"), UID: extra("pod-uid"), ServiceAccount: account}
	if !isServiceAccount || !named || out.Name == "" || out.UID == "" {
		return Pod{}, errors.New("it is not bound to a pod")
	}
	return out, nil
}
