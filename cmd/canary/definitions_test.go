package main

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/sluice-mesh/sluice/pkg/kube/definitions"
	"github.com/sluice-mesh/sluice/test/realkube"
)

// TestOlderDefinitionsAreRefused: with Flagger's own definition the process ends and says what to do; with ours it starts.
func TestOlderDefinitionsAreRefused(t *testing.T) {
	config := realkube.Start(t)
	if err := definitions.Check(t.Context(), config); err != nil {
		t.Fatalf("with our own definitions: %v", err)
	}
	crds := dynamic.NewForConfigOrDie(config).Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	const name = "canaries.flagger.app"
	ours := change(t, crds, name, func(versions []any) {
		root := versions[0].(map[string]any)["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)
		delete(root, "x-kubernetes-preserve-unknown-fields")
		root["properties"].(map[string]any)["status"] = map[string]any{"type": "object", "properties": map[string]any{"phase": map[string]any{"type": "string"}}}
	})
	t.Cleanup(func() {
		change(t, crds, name, func(versions []any) { copy(versions, ours) })
		eventually(t, "our definition is back", func() bool { return definitions.Check(context.Background(), config) == nil })
	})
	// The documents follow a little later, and a process that starts meanwhile is right to start.
	var err error
	eventually(t, "the document tells", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err = definitions.Check(ctx, config)
		return err != nil && strings.Contains(err.Error(), "status.rollout")
	})
	if !strings.Contains(err.Error(), "the definition of Canary is not Sluice's: the API server would drop status.rollout, status.observedGeneration, status.lastRequest. Replace it: kubectl apply --server-side") {
		t.Errorf("got %v", err)
	}
	p := start(t, realkube.Kubeconfig(t, config), realkube.Namespace(t, config, nil))
	if err := p.Wait(); err == nil {
		t.Error("it ran, and would have lost every release")
	}
}

// change changes the versions of a definition, and returns what they were.
func change(t *testing.T, crds dynamic.ResourceInterface, name string, do func(versions []any)) (before []any) {
	t.Helper()
	crd, err := crds.Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ = unstructured.NestedSlice(crd.DeepCopy().Object, "spec", "versions")
	versions := crd.Object["spec"].(map[string]any)["versions"].([]any)
	do(versions)
	if _, err := crds.Update(context.Background(), crd, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	return before
}
