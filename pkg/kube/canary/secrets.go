package canary

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// secretKept is how long the content of a Secret is remembered: a rotated credential is used after at most that long.
const secretKept = 30 * time.Second

// secrets reads the Secrets that templates and alert providers name, one by one and by name: the process neither lists
// nor watches Secrets, so it sees none that nobody pointed it to.
type secrets struct {
	reader client.Reader
	clock  clock.PassiveClock

	mu   sync.Mutex
	kept map[types.NamespacedName]keptSecret
}

type keptSecret struct {
	data map[string][]byte
	at   time.Time
}

// secretText is a credential as text: whoever makes a Secret from a file leaves a newline at its end.
func secretText(value []byte) string { return strings.TrimSpace(string(value)) }

func newSecrets(reader client.Reader, clock clock.PassiveClock) *secrets {
	return &secrets{reader: reader, clock: clock, kept: map[types.NamespacedName]keptSecret{}}
}

// data returns what a Secret holds. The map is shared: do not change it. It is not nil if the Secret exists.
func (s *secrets) data(ctx context.Context, name types.NamespacedName) (map[string][]byte, error) {
	now := s.clock.Now()
	s.mu.Lock()
	for n, k := range s.kept {
		if now.Sub(k.at) > secretKept {
			delete(s.kept, n)
		}
	}
	k, ok := s.kept[name]
	s.mu.Unlock()
	if ok {
		return k.data, nil
	}
	var secret corev1.Secret
	if err := s.reader.Get(ctx, name, &secret); err != nil {
		return nil, fmt.Errorf("read the Secret: %w", err)
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[name] = keptSecret{secret.Data, now}
	return secret.Data, nil
}
