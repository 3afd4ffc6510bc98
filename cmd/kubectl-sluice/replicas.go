package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/envoy"
)

const (
	// debugPort is where mesh serves debugProxies, on the loopback interface of its pod.
	debugPort    = 8082
	debugProxies = "/debug/proxies"
	// labelName has the name of a process's Service as its value, on the process's pods.
	labelName = "app.kubernetes.io/name"
	// askTimeout bounds the question to one replica: one that hangs must not hide what the others know.
	askTimeout = 15 * time.Second
)

// replica is one mesh process, and the way to its debug page.
type replica struct {
	name string
	get  func(ctx context.Context, path string) ([]byte, error)
}

// meshPods lists the running pods of mesh.
func meshPods(ctx context.Context, config *rest.Config, client kubernetes.Interface, namespace string) ([]corev1.Pod, error) {
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labelName + "=" + sluice.MeshService, FieldSelector: "status.phase=Running",
	})
	if err != nil {
		return nil, advised(fmt.Errorf("list the pods of mesh: %w", err), config)
	}
	return slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil }), nil
}

// replicas finds the mesh processes of an installation.
func replicas(ctx context.Context, config *rest.Config, client kubernetes.Interface, namespace string) ([]replica, error) {
	pods, err := meshPods(ctx, config, client, namespace)
	if err != nil {
		return nil, err
	}
	var out []replica
	for _, pod := range pods {
		out = append(out, replica{name: pod.Name, get: func(ctx context.Context, path string) ([]byte, error) {
			var page []byte
			err := forward{config, client, pod.Namespace, pod.Name, debugPort}.to(ctx, func(address string) (err error) {
				page, err = httpGet(ctx, address, path)
				return err
			})
			return page, err
		}})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no pod of mesh runs in namespace %s (%s=%s); say where Sluice is installed with --sluice-namespace",
			namespace, labelName, sluice.MeshService)
	}
	return out, nil
}

// addressed are mesh processes that can be reached without a port-forward.
func addressed(addresses []string) []replica {
	var out []replica
	for _, address := range addresses {
		out = append(out, replica{name: address, get: func(ctx context.Context, path string) ([]byte, error) {
			return httpGet(ctx, address, path)
		}})
	}
	return out
}

func httpGet(ctx context.Context, address, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return nil, err
	}
	// A proxy of the environment has no business between us and a loopback address.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", path, answer.Status)
	}
	return body, nil
}

// connected asks every replica for the proxies that are connected to it. A replica that does not answer is in silent.
func connected(ctx context.Context, all []replica) (answers map[string][]envoy.ProxyStatus, silent []error) {
	type result struct {
		name    string
		proxies []envoy.ProxyStatus
		err     error
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	results := make(chan result, len(all))
	for _, r := range all {
		go func() {
			out := result{name: r.name}
			var body []byte
			if body, out.err = r.get(ctx, debugProxies); out.err == nil {
				out.err = json.Unmarshal(body, &out.proxies)
			}
			results <- out
		}()
	}
	answers = map[string][]envoy.ProxyStatus{}
	for range all {
		r := <-results
		if r.err != nil {
			silent = append(silent, fmt.Errorf("replica %s of mesh does not say who is connected to it: %w", r.name, r.err))
			continue
		}
		answers[r.name] = r.proxies
	}
	slices.SortFunc(silent, func(a, b error) int {
		if a.Error() < b.Error() {
			return -1
		}
		return 1
	})
	return answers, silent
}
