package canary

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/canary"
)

// seeStats polls the target's pods while the Canary is under analysis, and only then.
func (s *shell) seeStats(ctx context.Context, v *view) error {
	if s.stats == nil || !canary.Watches(v.canary) || v.target == nil {
		v.session.stopPolling()
		return nil
	}
	pods, err := s.podsToRead(ctx, v)
	if err != nil {
		return err
	}
	s.watchPods(v.canary, v.session, pods)
	v.session.mu.Lock()
	poll := v.session.poll
	v.session.mu.Unlock()
	poll.measured(v.canary, &v.obs)
	return nil
}

// podsToRead are the target's running pods with an Envoy of ours. The cache holds no other pods.
func (s *shell) podsToRead(ctx context.Context, v *view) ([]Pod, error) {
	selects, err := v.kind.Selector(v.target.Object)
	if err != nil {
		return nil, fmt.Errorf("read the selector of %s: %w", objectOf(v.target), err)
	}
	selector, err := metav1.LabelSelectorAsSelector(selects)
	if err != nil {
		return nil, fmt.Errorf("read the selector of %s: %w", objectOf(v.target), err)
	}
	var list corev1.PodList
	err = s.store.client.List(ctx, &list, client.InNamespace(v.canary.Namespace), client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return nil, fmt.Errorf("list the pods of %s: %w", v.targetName(), err)
	}
	var pods []Pod
	for i := range list.Items {
		// A pod that is starting or on its way out does not answer, and that says nothing about the release.
		if pod := &list.Items[i]; pod.Status.PodIP != "" && pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil {
			pods = append(pods, Pod{UID: string(pod.UID), Name: pod.Name, Namespace: pod.Namespace, IP: pod.Status.PodIP})
		}
	}
	return pods, nil
}
