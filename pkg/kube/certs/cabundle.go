package certs

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	admissionv1ac "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
)

// fieldManager owns clientConfig.caBundle in our webhook configurations and nothing else there, so that whoever
// applies the manifests (which do not carry the field) neither removes it nor sees a difference.
const fieldManager = "sluice-webhook"

// ensureBundle makes both webhook configurations trust the bundle.
func (k *Keeper) ensureBundle(ctx context.Context, bundle []byte) error {
	return errors.Join(k.ensureMutating(ctx, bundle), k.ensureValidating(ctx, bundle))
}

func (k *Keeper) ensureMutating(ctx context.Context, bundle []byte) error {
	name := k.options.Configuration
	api := k.options.Client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	live, err := api.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return k.absent("mutating", err)
	}
	// The UID makes the apply fail instead of creating a shell of a configuration, should it be deleted right now.
	want, differs := admissionv1ac.MutatingWebhookConfiguration(name).WithUID(live.UID), false
	for _, hook := range live.Webhooks {
		differs = differs || !bytes.Equal(hook.ClientConfig.CABundle, bundle)
		want.WithWebhooks(admissionv1ac.MutatingWebhook().WithName(hook.Name).
			WithClientConfig(admissionv1ac.WebhookClientConfig().WithCABundle(bundle...)))
	}
	if !differs {
		return nil
	}
	if _, err := api.Apply(ctx, want, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
		return fmt.Errorf("put the bundle into the mutating webhook configuration %s: %w", name, err)
	}
	k.options.Log.Info("put the bundle into a webhook configuration", "kind", "MutatingWebhookConfiguration", "name", name)
	return nil
}

func (k *Keeper) ensureValidating(ctx context.Context, bundle []byte) error {
	name := k.options.Configuration
	api := k.options.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	live, err := api.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return k.absent("validating", err)
	}
	want, differs := admissionv1ac.ValidatingWebhookConfiguration(name).WithUID(live.UID), false
	for _, hook := range live.Webhooks {
		differs = differs || !bytes.Equal(hook.ClientConfig.CABundle, bundle)
		want.WithWebhooks(admissionv1ac.ValidatingWebhook().WithName(hook.Name).
			WithClientConfig(admissionv1ac.WebhookClientConfig().WithCABundle(bundle...)))
	}
	if !differs {
		return nil
	}
	if _, err := api.Apply(ctx, want, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
		return fmt.Errorf("put the bundle into the validating webhook configuration %s: %w", name, err)
	}
	k.options.Log.Info("put the bundle into a webhook configuration", "kind", "ValidatingWebhookConfiguration", "name", name)
	return nil
}

// absent turns a missing configuration into a line for people: pods of an installation may start before it is applied,
// and the watch calls again when it is.
func (k *Keeper) absent(kind string, err error) error {
	if apierrors.IsNotFound(err) {
		k.options.Log.Info("there is no webhook configuration yet, so nobody asks us; apply config/webhook",
			"kind", kind, "name", k.options.Configuration)
		return nil
	}
	return fmt.Errorf("read the %s webhook configuration %s: %w", kind, k.options.Configuration, err)
}
