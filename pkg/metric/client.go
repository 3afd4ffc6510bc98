package metric

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

const (
	// askTimeout bounds one question, with all that a client library does to have it answered.
	askTimeout = 5 * time.Second
	// keptFor is how long the connections to a provider are kept after its last question.
	keptFor = 10 * time.Minute
	// maxSentence bounds an error text: it ends up in an event, which holds about 1 KiB.
	maxSentence = 500
)

// Query is one question to a provider.
type Query struct {
	// Provider says who is asked, and where.
	Provider canaryv1beta1.MetricTemplateProvider
	// Credentials are the data of the provider's Secret, nil if it has none.
	Credentials map[string][]byte
	// Interval is the metric's; providers that answer with a series are asked for several of them.
	Interval time.Duration
	// Text is the query in the provider's language.
	Text string
}

// errNoValues is an answer without a value.
var errNoValues = errors.New("no values found")

// provider is one provider with its credentials and connections. It is safe for concurrent use.
type provider interface {
	// ask returns the value, or errNoValues.
	ask(ctx context.Context, q Query) (float64, error)
	// close ends idle connections.
	close()
}

// providers says how each type of provider is connected to.
var providers = map[string]func(*Client, Query) (provider, error){
	canaryv1beta1.MetricProviderPrometheus:      newPrometheus,
	canaryv1beta1.MetricProviderDatadog:         newDatadog,
	canaryv1beta1.MetricProviderCloudWatch:      newCloudWatch,
	canaryv1beta1.MetricProviderExternalMetrics: newExternal,
}

// Client asks providers. It keeps connections between questions and is safe for concurrent use.
type Client struct {
	kube *rest.Config

	mu   sync.Mutex
	kept map[[sha256.Size]byte]*keptProvider
	now  func() time.Time
}

type keptProvider struct {
	provider
	asked time.Time
}

// NewClient makes a client. kube is the cluster whose external metrics are read where a provider names no address.
func NewClient(kube *rest.Config) *Client {
	return &Client{kube: kube, kept: map[[sha256.Size]byte]*keptProvider{}, now: time.Now}
}

// Ask asks for a value. It is not found if the provider answered and had none. No error holds a credential or the
// provider's address, which may have one in it.
func (c *Client) Ask(ctx context.Context, q Query) (value float64, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	p, err := c.provider(q)
	if err == nil {
		value, err = p.ask(ctx, q)
	}
	switch {
	case errors.Is(err, errNoValues), err == nil && math.IsNaN(value):
		return 0, false, nil
	case err != nil:
		return 0, false, q.discreet(err)
	}
	return value, true, nil
}

// provider returns the provider of a query: the one that was asked before if nothing of it has changed.
func (c *Client) provider(q Query) (provider, error) {
	connect, served := providers[q.Provider.Type]
	if !served {
		return nil, fmt.Errorf("provider %s is not served: use %s", q.Provider.Type, strings.Join(canaryv1beta1.ServedMetricProviders(), ", "))
	}
	content, err := json.Marshal([]any{q.Provider, q.Credentials})
	if err != nil {
		return nil, fmt.Errorf("encode the provider: %w", err)
	}
	key, now := sha256.Sum256(content), c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.kept[key]; known != nil {
		known.asked = now
		return known, nil
	}
	for k, old := range c.kept {
		if now.Sub(old.asked) > keptFor {
			old.close()
			delete(c.kept, k)
		}
	}
	p, err := connect(c, q)
	if err != nil {
		return nil, err
	}
	c.kept[key] = &keptProvider{p, now}
	return p, nil
}

// discreet is an error that can be shown: in one line, of a length that fits an event, and without any credential,
// which a provider may quote back.
func (q Query) discreet(err error) error {
	text := strings.Join(strings.Fields(withoutURL(err).Error()), " ")
	for _, secret := range q.secrets() {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	if len(text) > maxSentence {
		text = strings.ToValidUTF8(text[:maxSentence], "") + "..."
	}
	return errors.New(text)
}

// minSecret is the length from which a credential is looked for in errors: a shorter one is part of ordinary words.
const minSecret = 4

// secrets are the credentials and the values of headers, the longest first, because one may be a part of another.
func (q Query) secrets() []string {
	var all []string
	for _, value := range q.Credentials {
		all = append(all, string(value), strings.TrimSpace(string(value)))
	}
	for _, values := range q.Provider.Headers {
		all = append(all, values...)
	}
	all = slices.DeleteFunc(all, func(s string) bool { return len(s) < minSecret })
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}

// credential reads a key of the Secret.
func (q Query) credential(key string) (string, error) {
	value, ok := q.Credentials[key]
	if !ok {
		return "", fmt.Errorf("the Secret has no key %s", key)
	}
	return strings.TrimSpace(string(value)), nil
}
