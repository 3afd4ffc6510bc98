package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
)

const (
	// recheck bounds how long a change that no watch reported can stay unnoticed.
	recheck = time.Hour
	// firstRetry and lastRetry bound the pause after a failure; the first is short because a new installation waits for us.
	firstRetry = 200 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// Options says what a Keeper keeps.
type Options struct {
	// Client talks to the API server; nothing is cached, because certificates are read a few times a day.
	Client kubernetes.Interface
	// Namespace holds the Secrets.
	Namespace string
	// Serving is the Secret that this process serves from.
	Serving string
	// Leaves are all the leaves that are issued from our authority. None means that somebody else, such as
	// cert-manager, writes the serving Secret and the bundle of the webhook configurations.
	Leaves []Leaf
	// Configuration names the mutating and the validating webhook configuration (both have the same name) that belong to the
	// Namespace, and whose clientConfig.caBundle is ours.
	Configuration string
	// AuthorityLife is how long an authority is good; zero means ten years. It is rotated after two thirds of it.
	AuthorityLife time.Duration
	// Pause is the time between the steps of a rotation; zero means DefaultPause.
	Pause time.Duration
	// Clock is the present time; tests replace it.
	Clock func() time.Time
	// Log gets one line per certificate issued and per failure, never a key.
	Log logr.Logger
	// Metrics gets the expiry gauge; nil means none.
	Metrics prometheus.Registerer
}

// Keeper issues and renews certificates, keeps the bundle in our webhook configurations, and serves the present leaf.
type Keeper struct {
	options Options
	serving atomic.Pointer[tls.Certificate]
	expiry  *prometheus.GaugeVec
	wake    chan struct{}
}

// New returns a Keeper that does nothing until it is started.
func New(options Options) *Keeper {
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.AuthorityLife == 0 {
		options.AuthorityLife = authorityLife
	}
	if options.Pause == 0 {
		options.Pause = DefaultPause
	}
	keeper := &Keeper{
		options: options,
		wake:    make(chan struct{}, 1),
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sluice_webhook_certificate_expiry_timestamp_seconds",
			Help: "When the certificate in a Secret ends, in seconds since 1970.",
		}, []string{"secret"}),
	}
	if options.Metrics != nil {
		options.Metrics.MustRegister(keeper.expiry)
	}
	return keeper
}

// NeedLeaderElection is false: every replica keeps its own certificate, and may be the one that issues.
func (k *Keeper) NeedLeaderElection() bool { return false }

// GetCertificate is the hook of tls.Config: each handshake gets the present leaf, so a renewal needs no restart.
func (k *Keeper) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cert := k.serving.Load(); cert != nil {
		return cert, nil
	}
	return nil, errors.New("there is no serving certificate yet")
}

// Ready is a readiness check: it fails until there is a certificate to serve.
func (k *Keeper) Ready(*http.Request) error {
	_, err := k.GetCertificate(nil)
	return err
}

// Start watches and renews until the context ends.
// One loop does everything, one thing after the other, in the order that rotation needs: authority, bundle, leaves.
func (k *Keeper) Start(ctx context.Context) error {
	k.watch(ctx)
	pause := firstRetry
	for {
		next, err := k.Sync(ctx)
		wait := min(next.Sub(k.options.Clock()), recheck)
		switch {
		case err == nil:
			pause = firstRetry
		case lost(err):
			k.options.Log.Info("another replica wrote first; reading what it wrote")
			wait = firstRetry
		default:
			k.options.Log.Error(err, "certificates are not in order; trying again", "in", pause.String())
			wait, pause = pause, min(2*pause, lastRetry)
		}
		if !k.sleep(ctx, wait) {
			return nil
		}
	}
}

// lost reports whether a write met one of another replica: the optimistic lock doing its work.
func lost(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)
}

// sleep waits for the time to pass or for a watch to report a change; it is false when the context has ended.
func (k *Keeper) sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-k.wake:
	}
	return true
}

// Sync puts everything in order once and returns when to look again.
func (k *Keeper) Sync(ctx context.Context) (time.Time, error) {
	if len(k.options.Leaves) == 0 {
		return k.options.Clock().Add(recheck), errors.Join(k.loadForeign(ctx), k.ensureConfigurations(ctx, nil))
	}
	authority, step, err := k.ensureAuthority(ctx)
	if err != nil {
		return time.Time{}, err
	}
	next := k.options.Clock().Add(recheck)
	sooner := func(due time.Time) {
		if !due.IsZero() && due.Before(next) {
			next = due
		}
	}
	sooner(step)
	// A failure with one of the others must not keep this process from serving, so the errors are collected.
	var problems []error
	problems = append(problems, k.ensureConfigurations(ctx, authority.Bundle))
	for _, leaf := range k.options.Leaves {
		pair, due, err := k.ensureLeaf(ctx, authority.Pair, leaf)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		sooner(due)
		if leaf.Secret == k.options.Serving {
			problems = append(problems, k.serve(pair))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return next, err
	}
	if authority.Rotating() && authority.Settled.IsZero() {
		due, err := k.settle(ctx, authority)
		sooner(due)
		return next, err
	}
	return next, nil
}

// loadForeign serves what somebody else has put into our Secret.
func (k *Keeper) loadForeign(ctx context.Context) error {
	secret, err := k.read(ctx, k.options.Serving)
	if err != nil {
		return err
	}
	if secret == nil {
		return fmt.Errorf("secret %s/%s does not exist yet; cert-manager, or whoever was given the job, has to create it",
			k.options.Namespace, k.options.Serving)
	}
	return k.serve(pairOf(secret))
}

// serve switches to the pair, if it is another one than now.
func (k *Keeper) serve(pair Pair) error {
	cert, err := pair.parse()
	if err != nil {
		return fmt.Errorf("serve from secret %s/%s: %w", k.options.Namespace, k.options.Serving, err)
	}
	k.expiry.WithLabelValues(k.options.Serving).Set(float64(cert.Leaf.NotAfter.Unix()))
	if now := k.serving.Load(); now != nil && now.Leaf.Equal(cert.Leaf) {
		return nil
	}
	k.serving.Store(cert)
	k.options.Log.Info("serving a certificate", "secret", k.options.Serving, "until", cert.Leaf.NotAfter.UTC().Format(time.RFC3339))
	return nil
}
