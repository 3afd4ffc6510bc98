// Package definitions looks at what an API server keeps of our objects: its client configuration goes in, and what is wrong
// with the definitions that are installed comes out.
package definitions

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/openapi"
	"k8s.io/client-go/rest"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

// Where the kinds of canary.OwnFields are in the API server's OpenAPI documents, which every service account may read.
var documents = map[string]string{
	"Canary":        "apis/" + canaryv1beta1.GroupVersion.String(),
	"VirtualRouter": "apis/" + appmeshv1beta2.GroupVersion.String(),
}

// The documents follow the definitions a little later.
const (
	timeout = 30 * time.Second
	period  = time.Second
)

// Check fails if the API server does not keep all fields that the canary process needs, because the definitions are
// an older Flagger's, say. It gives definitions that were just changed some time.
func Check(ctx context.Context, config *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client for the definitions: %w", err)
	}
	var problem error
	_ = wait.PollUntilContextTimeout(ctx, period, timeout, true, func(context.Context) (bool, error) {
		problem = check(client.OpenAPIV3())
		return problem == nil, nil
	})
	return problem
}

func check(client openapi.Client) error {
	wrong, err := Wrong(client)
	if err != nil || len(wrong) == 0 {
		return err
	}
	return fmt.Errorf("%s. Replace it: %s", wrong[0], Remedy)
}

// Remedy is the command that puts right all that Wrong finds.
const Remedy = "kubectl apply --server-side --force-conflicts -k config/crd"

// Wrong says, in a sentence each, which definitions do not keep all fields that the canary process needs.
func Wrong(client openapi.Client) ([]string, error) {
	paths, err := client.Paths()
	if err != nil {
		return nil, fmt.Errorf("read the definitions: %w", err)
	}
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(documents)) {
		schema, err := schemaOf(paths[documents[kind]], kind)
		if err != nil {
			return nil, fmt.Errorf("read the definition of %s: %w", kind, err)
		}
		switch dropped := canary.Dropped(schema, canary.OwnFields[kind]); {
		case schema == nil:
			out = append(out, fmt.Sprintf("there is no definition of %s", kind))
		case len(dropped) > 0:
			out = append(out, fmt.Sprintf("the definition of %s is not Sluice's: the API server would drop %s", kind, strings.Join(dropped, ", ")))
		}
	}
	return out, nil
}

// schemaOf finds a kind in the document of its group and version. Nil is a document that is not there.
func schemaOf(document openapi.GroupVersion, kind string) (map[string]any, error) {
	if document == nil {
		return nil, nil
	}
	text, err := document.Schema("application/json")
	if err != nil {
		return nil, err
	}
	var parsed struct {
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		return nil, err
	}
	for _, schema := range parsed.Components.Schemas {
		kinds, _ := schema["x-kubernetes-group-version-kind"].([]any)
		for _, k := range kinds {
			if k, ok := k.(map[string]any); ok && k["kind"] == kind {
				return schema, nil
			}
		}
	}
	return nil, nil
}
