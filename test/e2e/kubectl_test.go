//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

func kubectl(ctx context.Context, args ...string) error {
	_, err := cluster.Run(ctx, args...)
	return err
}

// apiClient is for what kubectl cannot do: many requests at once.
func apiClient(t *testing.T) client.Client {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig)
	must(t, err)
	config.QPS = -1 // no limit of the client's own
	config.WarningHandler = rest.NoWarnings{}
	api, err := client.New(config, client.Options{})
	must(t, err)
	return api
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// messages is what the walk-through's log command prints.
type messages struct {
	mu   sync.Mutex
	list []string
}

func (m *messages) add(msg string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, msg)
}

// want waits until each text was printed, in this order; other messages may stand between them.
func (m *messages) want(t *testing.T, ctx context.Context, texts ...string) {
	t.Helper()
	err := walkthrough.Eventually(ctx, 10*time.Second, "the log tells the story", func(context.Context) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		rest := m.list
		for _, text := range texts {
			for len(rest) > 0 && !strings.Contains(rest[0], text) {
				rest = rest[1:]
			}
			if len(rest) == 0 {
				return fmt.Errorf("no message %q in its place in:\n%s", text, strings.Join(m.list, "\n"))
			}
			rest = rest[1:]
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
