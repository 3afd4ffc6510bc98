package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/sluice-mesh/sluice/pkg/xds"
)

// pathProxyctl is in our image of Envoy.
const pathProxyctl = "/usr/local/bin/proxyctl"

// configOfProxy prints what an Envoy has, in the same form as what it should have.
func (s *shell) configOfProxy(ctx context.Context, o configOptions, args []string) error {
	if len(o.files) > 0 {
		return errors.New("--from-proxy asks an Envoy in the cluster, and -f reads files; use one of them")
	}
	wanted, err := o.target(args, s.namespace())
	if err != nil {
		return err
	}
	config, err := s.restConfig()
	if err != nil {
		return err
	}
	resources, err := fromProxy(ctx, config, wanted)
	if err != nil {
		return err
	}
	return s.printConfig(resources, o)
}

// fromProxy asks the Envoy of a pod what it has. Only its own container can: the admin interface is a socket there.
func fromProxy(ctx context.Context, config *rest.Config, t target) (*xds.Resources, error) {
	if t.pod == "" {
		return nil, errors.New("--from-proxy asks one Envoy; name its pod as pod/NAME")
	}
	page, err := execute(ctx, config, t, pathProxyctl, "get", xds.DumpPath)
	if err != nil {
		return nil, fmt.Errorf("ask the Envoy of pod %s/%s: %w; it takes the right to create pods/exec, and the image sluice-proxy, which has %s",
			t.proxy.Namespace, t.pod, err, pathProxyctl)
	}
	return xds.FromDump(page)
}

// execute runs a command in the container of a pod's Envoy, and returns what it prints.
func execute(ctx context.Context, config *rest.Config, t target, command ...string) ([]byte, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	url := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(t.proxy.Namespace).Name(t.pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: "envoy", Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	overSPDY, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, url)
	if err != nil {
		return nil, err
	}
	overWebsocket, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, url.String())
	if err != nil {
		return nil, err
	}
	executor, err := remotecommand.NewFallbackExecutor(overWebsocket, overSPDY, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return nil, err
	}
	var out, said bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &said}); err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	return out.Bytes(), nil
}
