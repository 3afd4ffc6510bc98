package mesh

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
)

var noon = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

// signer makes tokens as an API server does.
type signer struct {
	id  string
	key *ecdsa.PrivateKey
}

func newSigner(t *testing.T, id string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{id, key}
}

func (s signer) public() keys {
	return keys{issuer: "https://cluster", set: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.Public(), KeyID: s.id}}}}
}

// claims returns those of a good token, after a change.
func claims(change func(map[string]any)) map[string]any {
	out := map[string]any{
		"iss": "https://cluster", "aud": []string{"sluice-mesh"},
		"nbf": noon.Add(-time.Minute).Unix(), "exp": noon.Add(time.Hour).Unix(),
		"kubernetes.io": map[string]any{
			"namespace": "demo", "pod": map[string]any{"name": "web-1", "uid": "u1"}, "serviceaccount": map[string]any{"name": "web"},
		},
	}
	if change != nil {
		change(out)
	}
	return out
}

func (s signer) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	sign, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: s.id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(sign).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestCheckToken(t *testing.T) {
	cluster, stranger := newSigner(t, "k1"), newSigner(t, "k2")
	impostor := newSigner(t, "k1")
	set := func(key string, value any) map[string]any {
		return claims(func(c map[string]any) { c[key] = value })
	}
	cases := map[string]struct {
		token string
		want  string
	}{
		"a pod's token is accepted":                    {cluster.token(t, claims(nil)), ""},
		"one audience may stand alone":                 {cluster.token(t, set("aud", "sluice-mesh")), ""},
		"clocks may differ a little at the end":        {cluster.token(t, set("exp", noon.Add(-5*time.Second).Unix())), ""},
		"clocks may differ a little at the start":      {cluster.token(t, set("nbf", noon.Add(5*time.Second).Unix())), ""},
		"a key that the cluster does not have":         {stranger.token(t, claims(nil)), `key "k2": no known key signed it`},
		"another key under the same name":              {impostor.token(t, claims(nil)), "its signature does not match"},
		"another cluster's issuer":                     {cluster.token(t, set("iss", "https://other")), `it was issued by "https://other", want "https://cluster"`},
		"a token for the API server":                   {cluster.token(t, set("aud", []string{"https://cluster"})), `it is for ["https://cluster"], want "sluice-mesh"`},
		"an expired token":                             {cluster.token(t, set("exp", noon.Add(-time.Minute).Unix())), "it expired at 2026-10-01T11:59:00Z"},
		"a token of the future":                        {cluster.token(t, set("nbf", noon.Add(time.Minute).Unix())), "it is not valid before 2026-10-01T12:01:00Z"},
		"a token without an end":                       {cluster.token(t, claims(func(c map[string]any) { delete(c, "exp") })), "it never expires"},
		"a service account's token without a pod":      {cluster.token(t, set("kubernetes.io", map[string]any{"namespace": "demo"})), "it is not bound to a pod"},
		"something else":                               {"hello", "it is not a signed JWT"},
		"an unsigned token":                            {"eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.", "it is not a signed JWT"},
		"a token signed with the public key as secret": {symmetric(t, cluster), "it is not a signed JWT"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pod, err := cluster.public().check(c.token, noon)
			if c.want == "" {
				if want := (Pod{Namespace: "demo", Name: "web-1", UID: "u1", ServiceAccount: "web"}); err != nil || pod != want {
					t.Errorf("got %v, %v, want %v", pod, err, want)
				}
				return
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && len(c.token) > 20 && strings.Contains(err.Error(), c.token[len(c.token)-20:]) {
				t.Error("the error repeats the token")
			}
		})
	}
}

// symmetric signs with an algorithm whose secret an attacker knows: the public key.
func symmetric(t *testing.T, s signer) string {
	t.Helper()
	public, err := s.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	sign, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: public, KeyID: s.id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(sign).Claims(claims(nil)).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestReviewedPod(t *testing.T) {
	status := func(change func(*authenticationv1.TokenReviewStatus)) authenticationv1.TokenReviewStatus {
		out := authenticationv1.TokenReviewStatus{
			Authenticated: true, Audiences: []string{"sluice-mesh"},
			User: authenticationv1.UserInfo{Username: "system:serviceaccount:demo:web", Extra: map[string]authenticationv1.ExtraValue{
				"authentication.kubernetes.io/pod-name": {"web-1"}, "authentication.kubernetes.io/pod-uid": {"u1"},
			}},
		}
		change(&out)
		return out
	}
	cases := map[string]struct {
		status authenticationv1.TokenReviewStatus
		want   string
	}{
		"accepted":            {status(func(*authenticationv1.TokenReviewStatus) {}), ""},
		"not authenticated":   {status(func(s *authenticationv1.TokenReviewStatus) { s.Authenticated = false }), "the API server does not accept it for sluice-mesh"},
		"for somebody else":   {status(func(s *authenticationv1.TokenReviewStatus) { s.Audiences = nil }), "the API server does not accept it for sluice-mesh"},
		"a user's token":      {status(func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "jane" }), "it is not bound to a pod"},
		"a token without pod": {status(func(s *authenticationv1.TokenReviewStatus) { s.User.Extra = nil }), "it is not bound to a pod"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pod, err := reviewedPod(c.status)
			if c.want == "" {
				if want := (Pod{Namespace: "demo", Name: "web-1", UID: "u1", ServiceAccount: "web"}); err != nil || pod != want {
					t.Errorf("got %v, %v, want %v", pod, err, want)
				}
			} else if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
