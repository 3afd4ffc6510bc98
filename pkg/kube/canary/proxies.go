package canary

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/canary"
)

const (
	// verdictWait is how long mesh may wait for the last proxy before it answers with those that it has.
	verdictWait = 10 * time.Second
	// verdictPause is the time between two questions about one router.
	verdictPause = 500 * time.Millisecond
)

// RouterGeneration is one version of one VirtualRouter.
type RouterGeneration struct {
	Namespace, Name, UID string
	Generation           int64
}

// ProxyReader asks mesh which proxies have the weights of a router.
type ProxyReader interface {
	// Acknowledgements returns once every connected caller has a verdict, or after wait.
	Acknowledgements(ctx context.Context, router RouterGeneration, wait time.Duration) (canary.Acknowledgements, error)
}

// verdicts is a question that is asked again and again, until it does not matter any more.
type verdicts struct {
	of     RouterGeneration
	cancel context.CancelFunc
	// latest is guarded by the session.
	latest *canary.Acknowledgements
}

// seeProxies finds out who does not have the weights yet, as long as that matters.
func (s *shell) seeProxies(ctx context.Context, v *view) error {
	if s.proxies == nil || v.obs.Weights == nil || !canary.AwaitsProxies(v.canary) {
		v.session.stopVerdicts()
		return nil
	}
	router, err := s.store.get(ctx, v.in(kindVirtualRouter, v.apex()))
	if err != nil || router == nil {
		return err
	}
	latest := s.askMesh(v, RouterGeneration{
		Namespace: router.GetNamespace(), Name: router.GetName(), UID: string(router.GetUID()), Generation: router.GetGeneration(),
	})
	pods, err := s.callerPods(ctx, latest)
	if err != nil {
		return err
	}
	v.obs.WeightsPending = canary.WeightsPending(latest, pods)
	return nil
}

// askMesh begins to ask about a generation, unless that is being asked already, and returns the latest answer.
func (s *shell) askMesh(v *view, of RouterGeneration) *canary.Acknowledgements {
	session := v.session
	session.mu.Lock()
	defer session.mu.Unlock()
	if session.verdicts != nil {
		if session.verdicts.of == of {
			return session.verdicts.latest
		}
		session.verdicts.cancel()
	}
	ctx, cancel := context.WithCancel(s.background)
	asked := &verdicts{of: of, cancel: cancel}
	session.verdicts = asked
	key := keyOf(v.canary)
	s.work.start(func() { s.askLoop(ctx, key, session, asked) })
	return nil
}

func (s *shell) askLoop(ctx context.Context, key types.NamespacedName, session *session, asked *verdicts) {
	for {
		answer, err := s.proxies.Acknowledgements(ctx, asked.of, verdictWait)
		if err != nil {
			answer = canary.Acknowledgements{Silent: err.Error()}
		}
		session.mu.Lock()
		asked.latest = &answer
		session.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		s.wake(key)
		select {
		case <-ctx.Done():
			return
		case <-s.clock.After(verdictPause):
		}
	}
}

func (s *session) stopVerdicts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verdicts != nil {
		s.verdicts.cancel()
		s.verdicts = nil
	}
}

// callerPods are the pods with an Envoy of ours in the callers' namespaces.
func (s *shell) callerPods(ctx context.Context, a *canary.Acknowledgements) ([]canary.CallerPod, error) {
	if a == nil {
		return nil, nil
	}
	var out []canary.CallerPod
	listed := map[string]bool{}
	for _, caller := range a.Callers {
		if listed[caller.Namespace] {
			continue
		}
		listed[caller.Namespace] = true
		var list corev1.PodList
		if err := s.store.client.List(ctx, &list, client.InNamespace(caller.Namespace)); err != nil {
			return nil, fmt.Errorf("list the pods of the callers in %s: %w", caller.Namespace, err)
		}
		for i := range list.Items {
			out = append(out, callerPod(&list.Items[i]))
		}
	}
	return out, nil
}

// callerPod reads what a pod was bound to, and whether it takes part.
func callerPod(pod *corev1.Pod) canary.CallerPod {
	out := canary.CallerPod{UID: string(pod.UID), Namespace: pod.Namespace, Name: pod.Name}
	out.Caller = canary.Caller{Namespace: pod.Namespace, Name: pod.Annotations[sluice.AnnotationVirtualNode]}
	if gateway := pod.Annotations[sluice.AnnotationVirtualGateway]; gateway != "" {
		out.Caller.Gateway, out.Caller.Name = true, gateway
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			out.Ready = condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return out
}
