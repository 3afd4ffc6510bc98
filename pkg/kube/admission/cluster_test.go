package admission_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/yaml"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject"
	"github.com/sluice-mesh/sluice/pkg/kube/admission"
	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/pkg/validate"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(realkube.Main(m))
}

// cluster is a real API server that asks the real handlers, with the real manifests and the real certificates. Only the
// address differs from an installation: the API server of a test is not in a network that has Services.
type cluster struct {
	config  *rest.Config
	port    int
	keeper  *certs.Keeper
	answers *admission.Admission
	metrics *prometheus.Registry
	stop    func()         // ends the webhook process, and waits for it
	cni     inject.CNIMode // the default's if empty
	policy  validate.Policy
}

var (
	once   sync.Once
	shared *cluster
)

// start returns the cluster, which all tests of this package share.
func start(t *testing.T) *cluster {
	t.Helper()
	config := realkube.Start(t)
	once.Do(func() {
		c := &cluster{config: config, port: freePort(t)}
		c.install(t)
		shared = c
	})
	if shared == nil {
		t.Fatal("the webhooks could not be installed, see the first test")
	}
	if shared.stop == nil { // not started yet, or a test has stopped it
		shared.serve(t)
		shared.waitUntilAsked(t)
	}
	return shared
}

// install applies config/webhook, all of it, with the address changed.
func (c *cluster) install(t *testing.T) {
	t.Helper()
	kube := c.as(t, nil, nil)
	must(t, kube.Create(t.Context(), object(t, `{apiVersion: v1, kind: Namespace, metadata: {name: sluice-system}}`)))
	for _, file := range []string{"serviceaccount", "rbac", "service", "poddisruptionbudget", "deployment"} {
		for _, doc := range documents(t, filepath.Join("..", "..", "..", "config", "webhook", file+".yaml")) {
			must(t, kube.Create(t.Context(), doc))
		}
	}
	for _, name := range []string{"mutating", "validating"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "..", "config", "webhook", name+".yaml"))
		must(t, err)
		configuration := object(t, string(data))
		hooks, _, err := unstructured.NestedSlice(configuration.Object, "webhooks")
		must(t, err)
		for _, hook := range hooks {
			client := hook.(map[string]any)["clientConfig"].(map[string]any)
			path := client["service"].(map[string]any)["path"].(string)
			delete(client, "service")
			client["url"] = fmt.Sprintf("https://localhost:%d%s", c.port, path)
		}
		must(t, unstructured.SetNestedSlice(configuration.Object, hooks, "webhooks"))
		must(t, kube.Create(t.Context(), configuration))
	}
}

// serve starts what cmd/webhook starts.
func (c *cluster) serve(t *testing.T) {
	t.Helper()
	// With the rights of its service account and no others, which its manifests give it.
	account := rest.CopyConfig(c.config)
	account.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:sluice-system:sluice-webhook", Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	kube, err := kubernetes.NewForConfig(account)
	must(t, err)
	leaf := certs.Leaf{Secret: sluice.WebhookTLSSecret, Hosts: append(certs.ServiceHosts(sluice.WebhookService, sluice.SystemNamespace, "cluster.local"), "localhost")}
	c.keeper = certs.New(certs.Options{
		Client: kube, Namespace: sluice.SystemNamespace, Serving: sluice.WebhookTLSSecret, Leaves: []certs.Leaf{leaf},
		Configuration: sluice.WebhookService, Log: logr.Discard(),
	})
	proxy := inject.Default()
	proxy.ProxyImage, proxy.Bootstrap = "ghcr.io/sluice-mesh/sluice-proxy:test", func(inject.Bootstrap, []sluice.Probe) string { return "{}" }
	if c.cni != "" {
		proxy.CNI = c.cni
	}
	c.metrics = prometheus.NewRegistry()
	answers, err := admission.New(admission.Options{Client: account, SystemNamespace: sluice.SystemNamespace, Inject: proxy, Policy: c.policy, Log: logr.Discard(), Metrics: c.metrics})
	must(t, err)
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: c.port, TLSOpts: []func(*tls.Config){func(o *tls.Config) {
		o.GetCertificate, o.MinVersion = c.keeper.GetCertificate, tls.VersionTLS13
	}}})
	answers.Register(server)
	c.answers = answers

	ctx, cancel := context.WithCancel(context.Background()) // outlives the test that happens to come first
	var running sync.WaitGroup
	for _, part := range []interface{ Start(context.Context) error }{c.keeper, answers, server} {
		running.Go(func() {
			if err := part.Start(ctx); err != nil {
				panic(err) // the port was taken, most likely
			}
		})
	}
	c.stop = func() { cancel(); running.Wait(); c.stop = nil }
	eventually(t, "the process is ready", func() error { return errors.Join(answers.Ready(nil), c.keeper.Ready(nil)) })
}

// waitUntilAsked waits until the API server has heard of the configurations and trusts the bundle in them.
func (c *cluster) waitUntilAsked(t *testing.T) {
	t.Helper()
	kube := c.as(t, nil, nil)
	eventually(t, "the API server asks", func() error {
		mesh := object(t, `{apiVersion: appmesh.k8s.aws/v1beta2, kind: Mesh, metadata: {name: probe}, spec: {}}`)
		if err := kube.Create(context.Background(), mesh, client.DryRunAll); err != nil {
			return err
		}
		if name, _, _ := unstructured.NestedString(mesh.Object, "spec", "awsName"); name != "probe" {
			return errors.New("the mesh was not completed")
		}
		bad := object(t, `{apiVersion: flagger.app/v1beta1, kind: Canary, metadata: {name: probe, namespace: default}, spec: {targetRef: {apiVersion: v1, kind: Nothing, name: x}, service: {port: 80}, analysis: {stepWeight: 5}}}`)
		if err := kube.Create(context.Background(), bad, client.DryRunAll); err == nil {
			return errors.New("the canary was not judged")
		}
		return nil
	})
}

// warnings collects what the API server passes on.
type warnings struct {
	sync.Mutex
	list []string
}

func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.Lock()
	defer w.Unlock()
	w.list = append(w.list, text)
}

// take returns the warnings so far, one a line, and forgets them.
func (w *warnings) take() string {
	w.Lock()
	defer w.Unlock()
	defer func() { w.list = nil }()
	return strings.Join(w.list, "\n")
}

// canaryAccount is the service account of our canary process, with all rights: what is tried is admission.
var canaryAccount = &rest.ImpersonationConfig{UserName: "system:serviceaccount:sluice-system:sluice-canary", Groups: []string{"system:masters", "system:serviceaccounts"}}

// as returns a client of an administrator, or of somebody else with all rights.
func (c *cluster) as(t *testing.T, who *rest.ImpersonationConfig, heard *warnings) client.Client {
	t.Helper()
	config := rest.CopyConfig(c.config)
	if who != nil {
		config.Impersonate = *who
	}
	config.WarningHandler = rest.NoWarnings{}
	if heard != nil {
		config.WarningHandler = heard
	}
	kube, err := client.New(config, client.Options{})
	must(t, err)
	return kube
}

// meshed makes a namespace with injection in the given mode, and a mesh that selects it.
func (c *cluster) meshed(t *testing.T, mode string) string {
	t.Helper()
	id := fmt.Sprintf("m%x", time.Now().UnixNano())
	namespace := realkube.Namespace(t, c.config, map[string]string{"mesh": id, "appmesh.k8s.aws/sidecarInjectorWebhook": mode})
	mesh := object(t, fmt.Sprintf(`{apiVersion: appmesh.k8s.aws/v1beta2, kind: Mesh, metadata: {name: %q}, spec: {namespaceSelector: {matchLabels: {mesh: %[1]q}}}}`, id))
	must(t, c.as(t, nil, nil).Create(t.Context(), mesh))
	t.Cleanup(func() { _ = c.as(t, nil, nil).Delete(context.Background(), mesh) })
	return namespace
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	must(t, err)
	must(t, u.UnmarshalJSON(raw))
	return u
}

// in puts an object into a namespace.
func in(namespace string, u *unstructured.Unstructured) *unstructured.Unstructured {
	u.SetNamespace(namespace)
	return u
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("not within 60 s: %s: %v", what, err)
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// refusal is the sentence in a refusal by one of our webhooks, without what the API server puts in front of it.
func refusal(err error) string {
	if err == nil {
		return ""
	}
	if _, sentence, ok := strings.Cut(err.Error(), "denied the request: "); ok {
		return sentence
	}
	return "not ours: " + err.Error()
}

// documents splits a YAML file.
func documents(t *testing.T, path string) []*unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return split(t, data)
}

func split(t *testing.T, data []byte) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, doc := range bytes.Split(data, []byte("\n---\n")) {
		all = append(all, object(t, string(doc)))
	}
	return all
}

func get(t *testing.T, kube client.Client, like *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(like.GroupVersionKind())
	must(t, kube.Get(t.Context(), client.ObjectKeyFromObject(like), live))
	return live
}

func text(t *testing.T, u *unstructured.Unstructured, path ...string) string {
	t.Helper()
	value, _, err := unstructured.NestedString(u.Object, path...)
	must(t, err)
	return value
}

// unmeshed makes a namespace whose objects are sent to us, and that is in no mesh.
func (c *cluster) unmeshed(t *testing.T) string {
	t.Helper()
	return realkube.Namespace(t, c.config, map[string]string{"appmesh.k8s.aws/sidecarInjectorWebhook": "disabled"})
}
