package certs

import (
	"bytes"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// caKey is where a Secret of type kubernetes.io/tls keeps the bundle, by convention.
const caKey = "ca.crt"

// ensureLeaf returns the leaf and when it is due, issuing it when it is missing, spent or no longer right.
func (k *Keeper) ensureLeaf(ctx context.Context, authority Pair, leaf Leaf) (Pair, time.Time, error) {
	secret, err := k.read(ctx, leaf.Secret)
	if err != nil {
		return Pair{}, time.Time{}, err
	}
	stored, now := pairOf(secret), k.options.Clock()
	reason, due := JudgeLeaf(stored, authority, leaf, now)
	if reason == Good {
		if !bytes.Equal(stored.Bundle, authority.Bundle) { // a change of trust must reach the mounted Secrets first
			stored.Bundle = authority.Bundle
			return stored, due, k.write(ctx, leaf.Secret, secret, stored, "the bundle has changed", nil)
		}
		k.observe(leaf.Secret, stored)
		return stored, due, nil
	}
	pair, err := Issue(authority, leaf, now)
	if err != nil {
		return Pair{}, time.Time{}, err
	}
	if err := k.write(ctx, leaf.Secret, secret, pair, string(reason), nil); err != nil {
		return Pair{}, time.Time{}, err
	}
	cert, err := pair.parse()
	if err != nil {
		return Pair{}, time.Time{}, fmt.Errorf("read back what was issued for %s: %w", leaf.Secret, err)
	}
	return pair, Due(cert.Leaf), nil
}

// read returns a Secret, or nil when it does not exist.
func (k *Keeper) read(ctx context.Context, name string) (*corev1.Secret, error) {
	secret, err := k.options.Client.CoreV1().Secrets(k.options.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read secret %s/%s: %w", k.options.Namespace, name, err)
	}
	return secret, nil
}

// pairOf reads the pair in a Secret; an absent one has none.
func pairOf(secret *corev1.Secret) Pair {
	if secret == nil {
		return Pair{}
	}
	return Pair{Cert: secret.Data[corev1.TLSCertKey], Key: secret.Data[corev1.TLSPrivateKeyKey], Bundle: secret.Data[caKey]}
}

// write stores the pair where the Secret was read from; more, if given, adds what else the Secret holds. Losing to another replica is an error like any other here:
// the next round reads what the winner wrote.
func (k *Keeper) write(ctx context.Context, name string, secret *corev1.Secret, pair Pair, reason string, more func(*corev1.Secret)) error {
	secrets := k.options.Client.CoreV1().Secrets(k.options.Namespace)
	fresh := secret == nil
	if fresh {
		secret = &corev1.Secret{Type: corev1.SecretTypeTLS}
		secret.Name = name
		secret.Labels = map[string]string{"app.kubernetes.io/managed-by": sluice.ManagedBy}
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey], secret.Data[caKey] = pair.Cert, pair.Key, pair.Bundle
	if more != nil {
		more(secret)
	}

	var err error
	if fresh {
		_, err = secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
	} else { // carries the resourceVersion that was read: the optimistic lock
		_, err = secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	if err != nil {
		return fmt.Errorf("write secret %s/%s (%s): %w", k.options.Namespace, name, reason, err)
	}
	k.observe(name, pair)
	k.options.Log.Info("wrote a certificate", "secret", name, "because", reason)
	return nil
}

// observe records when a certificate ends.
func (k *Keeper) observe(secret string, pair Pair) {
	if cert, err := pair.parse(); err == nil {
		k.expiry.WithLabelValues(secret).Set(float64(cert.Leaf.NotAfter.Unix()))
	}
}
