//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// TestStranded starts from what App Mesh's controller leaves behind; TestRotation replaces the certificate authority.
// Both touch all of Sluice, and so have the cluster to themselves.
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
