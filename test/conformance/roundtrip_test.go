package conformance

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// newOurs makes an empty object of our type for a kind.
func newOurs(t *testing.T, kind *Kind) runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appmeshv1beta2.AddToScheme, canaryv1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{kind.Name, kind.Name + "List"} {
		if gvk := schema.FromAPIVersionAndKind(kind.About["apiVersion"], name); !scheme.Recognizes(gvk) {
			t.Fatalf("%s is not registered", gvk)
		}
	}
	object, err := scheme.New(schema.FromAPIVersionAndKind(kind.About["apiVersion"], kind.Name))
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// through decodes an object into a type and encodes it again.
func through(t *testing.T, object map[string]any, into any) map[string]any {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("decode into %T: %v", into, err)
	}
	if data, err = json.Marshal(into); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOurTypesKeepEveryField(t *testing.T) {
	for _, kind := range originals(t) {
		t.Run(kind.Name, func(t *testing.T) {
			sample := Sample(kind)
			object := newOurs(t, kind)
			got := through(t, sample, object)
			if diff := cmp.Diff(sample, got); diff != "" {
				t.Errorf("-sample +ours:\n%s", diff)
			}
			if diff := cmp.Diff(object, object.DeepCopyObject()); diff != "" {
				t.Errorf("the deep copy differs:\n%s", diff)
			}
		})
	}
}

// TestOurTypesAddNothing holds that an object of the least fields is written back as it was read: a controller that
// wrote a default would fight with whoever applies the manifest.
func TestOurTypesAddNothing(t *testing.T) {
	for _, kind := range originals(t) {
		t.Run(kind.Name, func(t *testing.T) {
			least := Sample(required(kind))
			got := through(t, least, newOurs(t, kind))
			if diff := cmp.Diff(least, got); diff != "" {
				t.Errorf("-least +ours:\n%s", diff)
			}
		})
	}
}

// required is the kind with only those fields of its spec that must be there.
func required(kind *Kind) *Kind {
	least := *kind
	least.Order = nil
	for _, path := range kind.Order {
		if path == "spec" || kind.Fields[path].Required && reachable(least.Order, parent(path)) {
			least.Order = append(least.Order, path)
		}
	}
	least.Fields = map[string]Field{}
	for _, path := range least.Order {
		least.Fields[path] = kind.Fields[path]
	}
	return &least
}

func reachable(paths []string, path string) bool {
	for _, p := range paths {
		if p == path {
			return true
		}
	}
	return false
}
