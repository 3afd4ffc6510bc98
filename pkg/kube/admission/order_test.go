package admission_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// orders is how often the same manifests are applied, each time in another order.
const orders = 50

// TestNoRefusalDependsOnTheOrder applies the walk-through and releases of the corpus, mixed, in random orders, each object
// once: a GitOps tool applies them as it likes. Nothing is refused; and when all is there, nothing is said to be missing.
// What objects of a mesh belong to comes first: they get their membership when they are created, as in App Mesh.
func TestNoRefusalDependsOnTheOrder(t *testing.T) {
	c := start(t)
	c.others(t)
	var heard warnings
	kube, unjudged := c.as(t, nil, &heard), c.as(t, canaryAccount, nil)
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("SLUICE_SEED"); given != "" {
		parsed, err := strconv.ParseUint(given, 10, 64)
		must(t, err)
		seed = parsed
	}
	t.Logf("SLUICE_SEED=%d repeats these orders", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range orders {
		var applied []string
		objects := manifests(t, fmt.Sprintf("o%d", i))
		random.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
		slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
		for _, u := range objects {
			name := u.GetKind() + " " + u.GetNamespace() + "/" + u.GetName()
			if err := kube.Create(t.Context(), u); err != nil {
				t.Fatalf("order %d: %s is refused, after %s: %v", i, name, strings.Join(applied, ", "), err)
			}
			applied = append(applied, name)
		}
		heard.take()
		for _, u := range objects {
			if u.GetKind() != "Canary" {
				continue
			}
			live := get(t, kube, u)
			live.SetAnnotations(map[string]string{"touched": "yes"})
			must(t, kube.Update(t.Context(), live))
			for line := range strings.SplitSeq(heard.take(), "\n") {
				if validate.Missing(ruleOf.FindString(line)) {
					t.Errorf("order %d: all is applied, and %s/%s is told %s", i, u.GetNamespace(), u.GetName(), line)
				}
			}
		}
		for _, u := range objects { // the next order has meshes of the same names
			if u.GetKind() == mesh.KindMesh {
				must(t, unjudged.Delete(t.Context(), u))
				c.indexed(t, u, "")
			}
		}
	}
}

// manifests are the walk-through and some of the corpus, in namespaces that no other order has. Their meshes select by a
// label of this order.
func manifests(t *testing.T, id string) []*unstructured.Unstructured {
	t.Helper()
	var raw []byte
	for _, pattern := range []string{
		"../../../config/demo/*.yaml", "../../validate/testdata/correct/shop-classic/*.yaml", "../../validate/testdata/correct/keda-queue/*.yaml",
	} {
		files, err := filepath.Glob(pattern)
		must(t, err)
		if len(files) == 0 {
			t.Fatalf("no files: %s", pattern)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			must(t, err)
			if filepath.Base(file) != "kustomization.yaml" {
				raw = append(append(raw, "\n---\n"...), text...)
			}
		}
	}
	text := selecting.ReplaceAllString(string(raw[len("\n---\n"):]), "${0}-"+id)
	for _, u := range split(t, []byte(text)) {
		if u.GetKind() == "Namespace" {
			text = rename(text, u.GetName(), id)
		}
	}
	all := split(t, []byte(text))
	for _, u := range all {
		if labels := u.GetLabels(); u.GetKind() == "Namespace" {
			labels["sluice.dev/canaries"] = "present" // so that everything is looked at
			u.SetLabels(labels)
		}
	}
	return all
}

// selecting are the labels of namespaces by which meshes and gateways of these manifests find them.
var selecting = regexp.MustCompile(`\b(mesh|gateway): [a-z-]+`)
