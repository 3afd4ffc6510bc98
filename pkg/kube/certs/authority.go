package certs

import (
	"bytes"
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// How the Secret of the authority says what a Secret of type kubernetes.io/tls has no place for.
const (
	nextCertKey = "next.crt"
	nextKeyKey  = "next.key"
	// annotationSettled holds Authority.Settled in RFC 3339.
	annotationSettled = "sluice.dev/settled-at"
)

// ensureAuthority returns the authority after the step that is due, and when the next one may be.
func (k *Keeper) ensureAuthority(ctx context.Context) (Authority, time.Time, error) {
	secret, err := k.read(ctx, sluice.CASecret)
	if err != nil {
		return Authority{}, time.Time{}, err
	}
	stored, now := authorityOf(secret), k.options.Clock()
	if reason := JudgeAuthority(stored.Pair, now); reason != Good {
		fresh, err := newAuthority(now, k.options.AuthorityLife)
		if err != nil {
			return Authority{}, time.Time{}, err
		}
		authority := Authority{Pair: fresh}
		return authority, now, k.writeAuthority(ctx, secret, authority, string(reason))
	}
	if repaired, reason := stored.Repaired(); reason != "" {
		return repaired, time.Time{}, k.writeAuthority(ctx, secret, repaired, reason)
	}
	step, next := stored.NextStep(now, k.options.Pause)
	if step == Stay {
		k.observe(sluice.CASecret, stored.Pair)
		return stored, next, nil
	}
	var fresh Pair
	if step == Announce {
		if fresh, err = newAuthority(now, k.options.AuthorityLife); err != nil {
			return Authority{}, time.Time{}, err
		}
	}
	taken := stored.Take(step, fresh)
	return taken, time.Time{}, k.writeAuthority(ctx, secret, taken, string(step))
}

// settle records that everybody was told of the authority, which starts the pause before the next step. It says when
// that step is due.
func (k *Keeper) settle(ctx context.Context, told Authority) (time.Time, error) {
	secret, err := k.read(ctx, sluice.CASecret)
	if err != nil {
		return time.Time{}, err
	}
	stored := authorityOf(secret)
	if !bytes.Equal(stored.Bundle, told.Bundle) || !bytes.Equal(stored.Cert, told.Cert) || !stored.Settled.IsZero() {
		return k.options.Clock(), nil // another replica was faster; the next round sees what it did
	}
	stored.Settled = k.options.Clock()
	return stored.Settled.Add(k.options.Pause), k.writeAuthority(ctx, secret, stored, "everybody was told of the authorities")
}

// authorityOf reads the Secret; an absent one says nothing.
func authorityOf(secret *corev1.Secret) Authority {
	if secret == nil {
		return Authority{}
	}
	out := Authority{Pair: pairOf(secret), Next: Pair{Cert: secret.Data[nextCertKey], Key: secret.Data[nextKeyKey]}}
	_, out.Asked = secret.Annotations[sluice.AnnotationRotate]
	// A time that cannot be read is none: the pause begins again.
	out.Settled, _ = time.Parse(time.RFC3339Nano, secret.Annotations[annotationSettled])
	return out
}

func (k *Keeper) writeAuthority(ctx context.Context, secret *corev1.Secret, authority Authority, reason string) error {
	return k.write(ctx, sluice.CASecret, secret, authority.Pair, reason, func(secret *corev1.Secret) {
		delete(secret.Data, nextCertKey)
		delete(secret.Data, nextKeyKey)
		if len(authority.Next.Cert) > 0 {
			secret.Data[nextCertKey], secret.Data[nextKeyKey] = authority.Next.Cert, authority.Next.Key
		}
		if !authority.Asked {
			delete(secret.Annotations, sluice.AnnotationRotate)
		}
		delete(secret.Annotations, annotationSettled)
		if !authority.Settled.IsZero() {
			if secret.Annotations == nil {
				secret.Annotations = map[string]string{}
			}
			secret.Annotations[annotationSettled] = authority.Settled.UTC().Format(time.RFC3339Nano)
		}
	})
}
