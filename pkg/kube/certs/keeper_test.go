package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) { os.Exit(realkube.Main(m)) }

// replica starts a Keeper as a webhook process would, and stops it with the test.
func replica(t *testing.T, client kubernetes.Interface, namespace string, leaves ...Leaf) *Keeper {
	t.Helper()
	return run(t, Options{Client: client, Namespace: namespace, Leaves: leaves})
}

func run(t *testing.T, options Options) *Keeper {
	t.Helper()
	options.Serving, options.Configuration, options.Log = sluice.WebhookTLSSecret, options.Namespace, quietly(t)
	keeper := New(options)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := keeper.Start(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return keeper
}

// quietly logs only with -v, because informers go on logging while a test ends.
func quietly(t *testing.T) logr.Logger {
	if testing.Verbose() {
		return testr.New(t)
	}
	return logr.Discard()
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if check() {
			return
		}
	}
	t.Fatalf("not within 30 s: %s", what)
}

func served(k *Keeper) *tls.Certificate {
	cert, err := k.GetCertificate(nil)
	if err != nil {
		return nil
	}
	return cert
}

func TestReplicasAgreeAndFollow(t *testing.T) {
	config := realkube.Start(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	namespace := realkube.Namespace(t, config, nil)
	leaves := []Leaf{{Secret: sluice.WebhookTLSSecret, Hosts: ServiceHosts("sluice-webhook", namespace, "cluster.local")}, testLeaf}
	one, two := replica(t, client, namespace, leaves...), replica(t, client, namespace, leaves...)

	same := func() bool {
		a, b := served(one), served(two)
		return a != nil && b != nil && a.Leaf.Equal(b.Leaf)
	}
	eventually(t, "both replicas serve one certificate", same)
	first := served(one)
	secrets := client.CoreV1().Secrets(namespace)
	eventually(t, "every Secret is complete", func() bool {
		for _, name := range []string{sluice.CASecret, sluice.WebhookTLSSecret, sluice.MeshTLSSecret} {
			secret, err := secrets.Get(ctx, name, metav1.GetOptions{})
			if err != nil || secret.Type != corev1.SecretTypeTLS || len(secret.Data["tls.crt"]) == 0 || len(secret.Data["tls.key"]) == 0 || len(secret.Data["ca.crt"]) == 0 {
				return false
			}
		}
		return true
	})

	if err := secrets.Delete(ctx, sluice.WebhookTLSSecret, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both serve the successor of a deleted leaf", func() bool { return same() && !served(one).Leaf.Equal(first.Leaf) })
	second := served(one)

	before, err := secrets.Get(ctx, sluice.MeshTLSSecret, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := secrets.Delete(ctx, sluice.CASecret, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a lost authority is replaced, and every leaf with it", func() bool {
		after, err := secrets.Get(ctx, sluice.MeshTLSSecret, metav1.GetOptions{})
		return err == nil && !bytes.Equal(after.Data["ca.crt"], before.Data["ca.crt"]) && !bytes.Equal(after.Data["tls.crt"], before.Data["tls.crt"]) &&
			same() && !served(one).Leaf.Equal(second.Leaf)
	})
}

// TestRotation rotates twice with two replicas, and looks all the time whether what is served is trusted.
func TestRotation(t *testing.T) {
	config := realkube.Start(t)
	client := kubernetes.NewForConfigOrDie(config)
	ctx := context.Background()
	namespace := realkube.Namespace(t, config, nil)
	secrets := client.CoreV1().Secrets(namespace)
	options := Options{Client: client, Namespace: namespace, Pause: time.Second, Leaves: []Leaf{
		{Secret: sluice.WebhookTLSSecret, Hosts: []string{"localhost"}}, testLeaf,
	}}
	one, two := run(t, options), run(t, options)
	pairs := func() (webhook, mesh, authority Pair, ok bool) {
		var out [3]Pair
		for i, name := range []string{sluice.WebhookTLSSecret, sluice.MeshTLSSecret, sluice.CASecret} {
			secret, err := secrets.Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return Pair{}, Pair{}, Pair{}, false
			}
			out[i] = pairOf(secret)
		}
		return out[0], out[1], out[2], true
	}
	eventually(t, "certificates", func() bool { _, _, _, ok := pairs(); return ok && served(one) != nil && served(two) != nil })
	seen := 0
	for range 2 {
		_, _, before, _ := pairs()
		rotate := []byte(`{"metadata": {"annotations": {"` + sluice.AnnotationRotate + `": "now"}}}`)
		if _, err := secrets.Patch(ctx, sluice.CASecret, types.MergePatchType, rotate, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		trusted := before.Bundle
		eventually(t, "another authority, alone", func() bool {
			webhook, mesh, authority, ok := pairs()
			if !ok {
				return false
			}
			seen = max(seen, certificates(authority.Bundle))
			// A client has the bundle of a moment ago.
			roots, _ := pool(trusted)
			for _, cert := range []*tls.Certificate{served(one), served(two), parsed(t, webhook), parsed(t, mesh)} {
				if !signedBy(cert.Leaf, roots, time.Now()) {
					t.Fatal("a leaf is served that the bundle of a moment ago does not trust")
				}
			}
			trusted = mesh.Bundle
			return certificates(authority.Bundle) == 1 && !bytes.Equal(authority.Cert, before.Cert) &&
				bytes.Equal(webhook.Bundle, authority.Cert) && bytes.Equal(mesh.Bundle, authority.Cert) &&
				signedByOnly(served(one).Leaf, authority.Cert, time.Now()) && signedByOnly(served(two).Leaf, authority.Cert, time.Now()) &&
				signedByOnly(parsed(t, mesh).Leaf, authority.Cert, time.Now())
		})
	}
	if seen != 2 {
		t.Errorf("at most %d authorities were trusted at once, want 2", seen)
	}
	secret, err := secrets.Get(ctx, sluice.CASecret, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, asked := secret.Annotations[sluice.AnnotationRotate]; asked || len(secret.Data) != 3 {
		t.Errorf("the rotations left annotations %v and %d entries behind", secret.Annotations, len(secret.Data))
	}
}

func parsed(t *testing.T, pair Pair) *tls.Certificate {
	t.Helper()
	cert, err := pair.parse()
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestBundleOfTheConfigurationsIsOurs(t *testing.T) {
	config := realkube.Start(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	namespace := realkube.Namespace(t, config, nil)
	replica(t, client, namespace, Leaf{Secret: sluice.WebhookTLSSecret, Hosts: []string{"localhost"}})

	// The configuration comes after the process, as it may in an installation.
	url, none := "https://localhost:1/validate", admissionregistrationv1.SideEffectClassNone
	ignore := admissionregistrationv1.Ignore
	hook := admissionregistrationv1.ValidatingWebhook{
		AdmissionReviewVersions: []string{"v1"}, SideEffects: &none, FailurePolicy: &ignore,
		ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url},
		Rules: []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{"CREATE"},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{"none.sluice.dev"}, APIVersions: []string{"v1"}, Resources: []string{"none"}},
		}},
	}
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	for _, name := range []string{"a.test.sluice.dev", "b.test.sluice.dev"} {
		hook.Name = name
		configuration.Webhooks = append(configuration.Webhooks, hook)
	}
	api := client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if _, err := api.Create(ctx, configuration, metav1.CreateOptions{FieldManager: "kubectl"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Delete(context.Background(), namespace, metav1.DeleteOptions{}) })

	bundled := func() *admissionregistrationv1.ValidatingWebhookConfiguration {
		live, err := api.Get(ctx, namespace, metav1.GetOptions{})
		if err != nil {
			return nil
		}
		authority, err := client.CoreV1().Secrets(namespace).Get(ctx, sluice.CASecret, metav1.GetOptions{})
		if err != nil {
			return nil
		}
		for _, hook := range live.Webhooks {
			if !bytes.Equal(hook.ClientConfig.CABundle, authority.Data["ca.crt"]) {
				return nil
			}
		}
		return live
	}
	eventually(t, "every webhook has the bundle", func() bool { return bundled() != nil })

	live := bundled()
	var ours string
	for _, entry := range live.ManagedFields {
		if entry.Manager == fieldManager && entry.Operation == metav1.ManagedFieldsOperationApply {
			ours = string(entry.FieldsV1.GetRawBytes())
		}
	}
	uid := namespaceUID(t, client, namespace)
	want := `{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"` + uid + `\"}":{}}},"f:webhooks":{"k:{\"name\":\"a.test.sluice.dev\"}":{".":{},"f:clientConfig":{"f:caBundle":{}},"f:name":{}},"k:{\"name\":\"b.test.sluice.dev\"}":{".":{},"f:clientConfig":{"f:caBundle":{}},"f:name":{}}}}`
	if ours != want {
		t.Errorf("we own %s, want %s", ours, want)
	}

	live.Webhooks[1].ClientConfig.CABundle = nil
	if _, err := api.Update(ctx, live, metav1.UpdateOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a bundle that somebody took away is back", func() bool { return bundled() != nil })

	// It goes with our namespace, whatever somebody does to it meanwhile.
	owned := func() bool {
		live := bundled()
		return live != nil && len(live.OwnerReferences) == 1 && string(live.OwnerReferences[0].UID) == uid && live.OwnerReferences[0].Kind == "Namespace"
	}
	if !owned() {
		t.Errorf("it belongs to %v", live.OwnerReferences)
	}
	live = bundled()
	live.OwnerReferences = nil
	if _, err := api.Update(ctx, live, metav1.UpdateOptions{FieldManager: "somebody"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the owner that somebody took away is back", owned)
}

func namespaceUID(t *testing.T, client kubernetes.Interface, name string) string {
	t.Helper()
	namespace, err := client.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return string(namespace.UID)
}

func TestForeignCertificateIsServed(t *testing.T) {
	config := realkube.Start(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	namespace := realkube.Namespace(t, config, nil)
	keeper := replica(t, client, namespace) // no leaves: somebody else issues
	if err := keeper.Ready(nil); err == nil || err.Error() != "there is no serving certificate yet" {
		t.Errorf("ready without a certificate: %v", err)
	}
	pair := mustIssue(t, mustAuthority(t, time.Now()), testLeaf, time.Now())
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: sluice.WebhookTLSSecret}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{"tls.crt": pair.Cert, "tls.key": pair.Key, "ca.crt": pair.Bundle},
	}
	if _, err := client.CoreV1().Secrets(namespace).Create(context.Background(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the certificate of the Secret is served", func() bool { return keeper.Ready(nil) == nil })
	if _, err := client.CoreV1().Secrets(namespace).Get(context.Background(), sluice.CASecret, metav1.GetOptions{}); err == nil {
		t.Error("an authority was made although somebody else has the job")
	}

	// What is not the certificates' is still ours to do.
	url, none := "https://localhost:1/mutate", admissionregistrationv1.SideEffectClassNone
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: namespace}, Webhooks: []admissionregistrationv1.MutatingWebhook{{
		Name: "a.test.sluice.dev", AdmissionReviewVersions: []string{"v1"}, SideEffects: &none,
		ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: pair.Bundle},
	}}}
	api := client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if _, err := api.Create(t.Context(), configuration, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Delete(context.Background(), namespace, metav1.DeleteOptions{}) })
	eventually(t, "the configuration belongs to our namespace", func() bool {
		live, err := api.Get(t.Context(), namespace, metav1.GetOptions{})
		return err == nil && ownedBy(live, types.UID(namespaceUID(t, client, namespace))) && bytes.Equal(live.Webhooks[0].ClientConfig.CABundle, pair.Bundle)
	})
}
