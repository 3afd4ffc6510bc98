// Package signature lets whoever receives a webhook know that it comes from the canary process. A request goes in with the
// certificate of its sender, and a header comes out; with the header and the authorities that are trusted, the receiver
// knows that it is the sender's. It is pure.
//
// The header is a JSON Web Signature (RFC 7515) that brings its certificate (x5c). So nobody needs a secret: the receiver
// trusts the authority that he trusts already, and what leaks of one hook signs no other.
package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Header of a request that is signed.
const Header = "Sluice-Signature"

const (
	// life is how long a signature holds. Attempts of a hook are made within it.
	life = 5 * time.Minute
	// leeway is how far the clocks of sender and receiver may differ.
	leeway = time.Minute
	// chainHeader is where RFC 7515 has the certificates.
	chainHeader = "x5c"
)

// algorithms are those of the keys that an authority of Kubernetes clusters issues. None of them is symmetric.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.EdDSA}

// Request is what of a request is signed: whoever is asked one thing cannot ask another with that.
type Request struct {
	// Path is that of the URL.
	Path string
	Body []byte
}

// claims are how it is signed.
type claims struct {
	// IssuedAt is in seconds since 1970, Body the SHA-256 of the body in base64.
	IssuedAt int64  `json:"iat"`
	Path     string `json:"path"`
	Body     string `json:"body"`
}

// Sign makes the header of a request.
func Sign(certificate *tls.Certificate, r Request, now time.Time) (string, error) {
	algorithm, err := algorithmOf(certificate.PrivateKey)
	if err != nil {
		return "", err
	}
	var chain []string
	for _, der := range certificate.Certificate {
		chain = append(chain, base64.StdEncoding.EncodeToString(der))
	}
	options := (&jose.SignerOptions{}).WithHeader(chainHeader, chain)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: certificate.PrivateKey}, options)
	if err != nil {
		return "", fmt.Errorf("sign with the certificate's key: %w", err)
	}
	payload, err := json.Marshal(claims{IssuedAt: now.Unix(), Path: rooted(r.Path), Body: digest(r.Body)})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.CompactSerialize()
}

func algorithmOf(key crypto.PrivateKey) (jose.SignatureAlgorithm, error) {
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return jose.ES256, nil
		case 384:
			return jose.ES384, nil
		case 521:
			return jose.ES512, nil
		}
	case *rsa.PrivateKey:
		return jose.RS256, nil
	case ed25519.PrivateKey:
		return jose.EdDSA, nil
	}
	return "", fmt.Errorf("a key of the type %T cannot sign", key)
}

// Trust says whose signatures count.
type Trust struct {
	// Authorities sign the certificates of senders.
	Authorities *x509.CertPool
	// Sender is the DNS name in the certificate.
	Sender string
}

// Verify tells why a header does not show that the request is the sender's; nil if it does.
func (t Trust) Verify(header string, r Request, now time.Time) error {
	if header == "" {
		return errors.New("it is not signed")
	}
	signed, err := jose.ParseSignedCompact(header, algorithms)
	if err != nil {
		return fmt.Errorf("the signature cannot be read: %w", err)
	}
	chains, err := signed.Signatures[0].Protected.Certificates(x509.VerifyOptions{
		Roots: t.Authorities, DNSName: t.Sender, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return fmt.Errorf("the signer's certificate is not one of %s: %w", t.Sender, err)
	}
	payload, err := signed.Verify(chains[0][0].PublicKey)
	if err != nil {
		return fmt.Errorf("the signature is wrong: %w", err)
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("what is signed cannot be read: %w", err)
	}
	switch age := now.Sub(time.Unix(c.IssuedAt, 0)); {
	case age > life+leeway:
		return fmt.Errorf("the signature is %s old", age.Round(time.Second))
	case age < -leeway:
		return fmt.Errorf("the signature is of the future, by %s: do the clocks differ?", (-age).Round(time.Second))
	case c.Path != rooted(r.Path), subtle.ConstantTimeCompare([]byte(c.Body), []byte(digest(r.Body))) != 1:
		return errors.New("the signature is that of another request")
	}
	return nil
}

// rooted is a path as the receiver sees it.
func rooted(path string) string { return "/" + strings.TrimPrefix(path, "/") }

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}
