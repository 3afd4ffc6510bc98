//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// What touches all of Sluice has the cluster to itself: TestStranded starts from what App Mesh's controller leaves behind,
// TestRotation replaces the certificate authority, TestOutage takes away the webhook, TestGone all of Sluice, by force, and
// TestUninstalled in good order.
func TestStranded(t *testing.T) {
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe"))
	t.Cleanup(func() {
		for _, kind := range []string{"mutating", "validating"} {
			must(t, kubectl(context.Background(), "delete", kind+"webhookconfiguration", "appmesh-controller-"+kind+"-webhook-configuration", "--ignore-not-found"))
		}
	})
	play(t, []string{"testdata/system/stranded.txtar"}, map[string]verb{
		"uninstall": (*stage).uninstall, // Sluice goes, its definitions stay
		"install":   (*stage).install,   // as config/default says
		"status":    (*stage).status,    // status FILE: writes the status of the objects in it
	})
}

func TestRotation(t *testing.T) {
	inFull(t)
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe"))
	t.Cleanup(func() { must(t, cluster.Install(context.Background())) }) // without the settings of the script
	play(t, []string{"testdata/system/rotation.txtar"}, map[string]verb{
		"rotate": (*stage).rotate, // the certificate authority is replaced, from the request to the end
	})
}

func TestOutage(t *testing.T) {
	inFull(t)
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe"))
	t.Cleanup(func() { must(t, cluster.Install(context.Background())) })
	play(t, []string{"testdata/system/outage.txtar"}, nil)
}

func TestGone(t *testing.T) {
	inFull(t)
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe"))
	t.Cleanup(func() { must(t, cluster.Install(context.Background())) })
	play(t, []string{"testdata/system/gone.txtar"}, map[string]verb{"install": (*stage).install})
}

func TestUninstalled(t *testing.T) {
	inFull(t)
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe"))
	t.Cleanup(func() { must(t, cluster.Install(context.Background())) })
	play(t, []string{"testdata/system/uninstalled.txtar"}, map[string]verb{
		"install":           (*stage).install,
		"delete-everything": (*stage).deleteEverything, // all that config/default made
		"left":              (*stage).left,             // lists every object of any kind that has to do with us
	})
}

func (s *stage) uninstall([]string) (string, error) {
	for _, args := range [][]string{
		{"mutatingwebhookconfiguration/sluice-webhook", "validatingwebhookconfiguration/sluice-webhook"},
		{"namespace/sluice-system", "--timeout=90s"},
	} {
		if err := kubectl(s.ctx, append([]string{"delete", "--ignore-not-found"}, args...)...); err != nil {
			return "", err
		}
	}
	return "", nil
}

func (s *stage) install([]string) (string, error) { return "", cluster.Install(s.ctx) }

// status passes over the objects of a file that have no status in it.
func (s *stage) status(files []string) (string, error) {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		for object := range strings.SplitSeq(string(text), "\n---\n") {
			if !strings.Contains(object, "\nstatus:") {
				continue
			}
			if _, err := cluster.RunInput(s.ctx, object, "-n", s.name, "replace", "--subresource=status", "-f", "-"); err != nil {
				return "", err
			}
		}
	}
	return "", nil
}

// rotate asks for another authority and waits until it is the only one.
func (s *stage) rotate([]string) (string, error) {
	const system = "sluice-system"
	type secret struct {
		Metadata struct{ Annotations map[string]string }
		Data     map[string][]byte
	}
	var before secret
	if err := cluster.Get(s.ctx, &before, "-n", system, "secret", "sluice-ca"); err != nil {
		return "", err
	}
	if err := kubectl(s.ctx, "-n", system, "annotate", "secret", "sluice-ca", "sluice.dev/rotate=now"); err != nil {
		return "", err
	}
	most := 0
	return "", walkthrough.Eventually(s.ctx, 3*time.Minute, "the authority is replaced", func(ctx context.Context) error {
		// The kubelet looks at mounted Secrets and ConfigMaps once a minute, and whenever it sees a change of the pod.
		for _, namespace := range []string{system, s.name} {
			touch := fmt.Sprintf("touched=%d", time.Now().UnixMilli())
			if err := kubectl(ctx, "-n", namespace, "annotate", "pods", "--all", "--overwrite", touch); err != nil {
				return err
			}
		}
		time.Sleep(2 * time.Second)
		var now secret
		if err := cluster.Get(ctx, &now, "-n", system, "secret", "sluice-ca"); err != nil {
			return err
		}
		trusted := bytes.Count(now.Data["ca.crt"], []byte("BEGIN CERTIFICATE"))
		most = max(most, trusted)
		if bytes.Equal(now.Data["tls.crt"], before.Data["tls.crt"]) || trusted != 1 || most != 2 {
			return fmt.Errorf("%d authorities are trusted, %d at the most; annotations %v", trusted, most, now.Metadata.Annotations)
		}
		return nil
	})
}

func (s *stage) deleteEverything([]string) (string, error) {
	return cluster.Run(s.ctx, "delete", "-k", filepath.Join(cluster.Root, "config", "default"), "--timeout=120s")
}

// traceOfUs is in the names, and in the keys of labels and annotations, of what is ours.
var traceOfUs = regexp.MustCompile(`sluice|appmesh|flagger`)

// left looks at every kind of object that the API server has, but events, which go by themselves.
func (s *stage) left([]string) (string, error) {
	kinds, err := cluster.Run(s.ctx, "api-resources", "--verbs=list", "-o", "name")
	if err != nil {
		return "", err
	}
	list := slices.DeleteFunc(strings.Fields(kinds), func(kind string) bool { return strings.HasPrefix(kind, "events") })
	var all struct {
		Items []struct {
			Kind     string
			Metadata struct {
				Namespace, Name     string
				Labels, Annotations map[string]string
				Finalizers          []string
				OwnerReferences     []struct{ Name string }
			}
		}
	}
	if err := cluster.Get(s.ctx, &all, "--all-namespaces", strings.Join(list, ",")); err != nil {
		return "", err
	}
	var found strings.Builder
	for _, o := range all.Items {
		if strings.Contains(o.Kind, "Node") || o.Metadata.Namespace == "kube-node-lease" {
			continue // the node of test/cluster has our name
		}
		words := append(o.Metadata.Finalizers, o.Metadata.Namespace, o.Metadata.Name)
		words = slices.AppendSeq(words, maps.Keys(o.Metadata.Labels))
		words = slices.AppendSeq(words, maps.Values(o.Metadata.Labels))
		words = slices.AppendSeq(words, maps.Keys(o.Metadata.Annotations))
		for _, owner := range o.Metadata.OwnerReferences {
			words = append(words, owner.Name)
		}
		if slices.ContainsFunc(words, traceOfUs.MatchString) {
			fmt.Fprintf(&found, "%s %s/%s\n", strings.ToLower(o.Kind), o.Metadata.Namespace, o.Metadata.Name)
		}
	}
	return found.String(), nil
}
