package canary

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/canary"
)

// seeStats polls the target's pods while the Canary is under analysis, and only then.
func (s *shell) seeStats(ctx context.Context, v *view) error {
	if s.stats == nil || !canary.Watches(v.canary) || v.target == nil {
		v.session.stopPolling()
		return nil
	}
	pods, err := s.podsToRead(ctx, v, v.target)
	if err != nil {
		return err
	}
	if _, compares := canary.Standard(v.canary); compares && v.primary != nil {
		primary, err := s.podsToRead(ctx, v, v.primary)
		if err != nil {
			return err
		}
		for i := range primary {
			primary[i].Primary = true
		}
		pods = append(pods, primary...)
	}
	s.watchPods(v.canary, v.session, pods)
	v.session.mu.Lock()
	poll := v.session.poll
	v.session.mu.Unlock()
	poll.measured(v.canary, &v.obs)
	poll.continuously(v.canary, &v.obs)
	return nil
}

// podsToRead are the running pods of a workload, target or primary, with an Envoy of ours. The cache holds no other pods.
func (s *shell) podsToRead(ctx context.Context, v *view, workload *unstructured.Unstructured) ([]Pod, error) {
	selects, err := v.kind.Selector(workload.Object)
	if err != nil {
		return nil, fmt.Errorf("read the selector of %s: %w", objectOf(workload), err)
	}
	selector, err := metav1.LabelSelectorAsSelector(selects)
	if err != nil {
		return nil, fmt.Errorf("read the selector of %s: %w", objectOf(workload), err)
	}
	var list corev1.PodList
	err = s.store.client.List(ctx, &list, client.InNamespace(v.canary.Namespace), client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return nil, fmt.Errorf("list the pods of %s: %w", workload.GetName(), err)
	}
	var pods []Pod
	for i := range list.Items {
		// A pod that is starting or on its way out does not answer, and that says nothing about the release.
		if pod := &list.Items[i]; pod.Status.PodIP != "" && pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil {
			pods = append(pods, Pod{UID: string(pod.UID), Name: pod.Name, Namespace: pod.Namespace, IP: pod.Status.PodIP,
				CrashLooping: slices.ContainsFunc(pod.Status.ContainerStatuses, crashLooping)})
		}
	}
	return pods, nil
}

// crashLooping tells whether the kubelet waits before it starts a container again, because it ended too often.
func crashLooping(c corev1.ContainerStatus) bool {
	return c.State.Waiting != nil && c.State.Waiting.Reason == "CrashLoopBackOff"
}
