package certs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	admissionv1ac "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
)

// fieldManager owns two things in our webhook configurations and nothing else there, so that whoever applies the manifests
// (which carry neither) does not remove them nor sees a difference: clientConfig.caBundle, and that our Namespace is the
// owner, so that the configurations go when somebody deletes the Namespace and forgets them.
const fieldManager = "sluice-webhook"

// ensureConfigurations makes both webhook configurations trust the bundle and belong to our Namespace. Without a bundle,
// somebody else writes that.
func (k *Keeper) ensureConfigurations(ctx context.Context, bundle []byte) error {
	namespace, err := k.options.Client.CoreV1().Namespaces().Get(ctx, k.options.Namespace, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read our namespace %s: %w", k.options.Namespace, err)
	}
	return errors.Join(k.ensureMutating(ctx, namespace, bundle), k.ensureValidating(ctx, namespace, bundle))
}

func (k *Keeper) ensureMutating(ctx context.Context, namespace *corev1.Namespace, bundle []byte) error {
	name := k.options.Configuration
	api := k.options.Client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	live, err := api.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return k.absent("mutating", err)
	}
	// The UID makes the apply fail instead of creating a shell of a configuration, should it be deleted right now.
	want, differs := admissionv1ac.MutatingWebhookConfiguration(name).WithUID(live.UID).WithOwnerReferences(owner(namespace)), !ownedBy(live, namespace.UID)
	for _, hook := range live.Webhooks {
		if bundle != nil {
			differs = differs || !bytes.Equal(hook.ClientConfig.CABundle, bundle)
			want.WithWebhooks(admissionv1ac.MutatingWebhook().WithName(hook.Name).
				WithClientConfig(admissionv1ac.WebhookClientConfig().WithCABundle(bundle...)))
		}
	}
	if !differs {
		return nil
	}
	if _, err := api.Apply(ctx, want, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
		return fmt.Errorf("put the bundle and the owner into the mutating webhook configuration %s: %w", name, err)
	}
	k.options.Log.Info("put the bundle and the owner into a webhook configuration", "kind", "MutatingWebhookConfiguration", "name", name)
	return nil
}

func (k *Keeper) ensureValidating(ctx context.Context, namespace *corev1.Namespace, bundle []byte) error {
	name := k.options.Configuration
	api := k.options.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	live, err := api.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return k.absent("validating", err)
	}
	want, differs := admissionv1ac.ValidatingWebhookConfiguration(name).WithUID(live.UID).WithOwnerReferences(owner(namespace)), !ownedBy(live, namespace.UID)
	for _, hook := range live.Webhooks {
		if bundle != nil {
			differs = differs || !bytes.Equal(hook.ClientConfig.CABundle, bundle)
			want.WithWebhooks(admissionv1ac.ValidatingWebhook().WithName(hook.Name).
				WithClientConfig(admissionv1ac.WebhookClientConfig().WithCABundle(bundle...)))
		}
	}
	if !differs {
		return nil
	}
	if _, err := api.Apply(ctx, want, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
		return fmt.Errorf("put the bundle and the owner into the validating webhook configuration %s: %w", name, err)
	}
	k.options.Log.Info("put the bundle and the owner into a webhook configuration", "kind", "ValidatingWebhookConfiguration", "name", name)
	return nil
}

// owner is our Namespace. It does not wait for what it owns when it is deleted.
func owner(namespace *corev1.Namespace) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().WithAPIVersion("v1").WithKind("Namespace").WithName(namespace.Name).WithUID(namespace.UID)
}

func ownedBy(object metav1.Object, uid types.UID) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return o.UID == uid })
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
