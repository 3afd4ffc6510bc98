package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// forward is a way to a port of a pod, through the API server and its permission, as kubectl port-forward goes.
type forward struct {
	config         *rest.Config
	client         kubernetes.Interface
	namespace, pod string
	port           int
}

// to opens the way, and lets use talk to its end on this machine.
func (f forward) to(ctx context.Context, use func(address string) error) error {
	dialer, err := f.dialer()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(ctx, dialer, []string{"127.0.0.1"},
		[]string{fmt.Sprintf("0:%d", f.port)}, ready, io.Discard, io.Discard)
	if err != nil {
		return fmt.Errorf("forward a port: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-ended:
		if err == nil {
			err = errors.New("the connection was closed")
		}
		return fmt.Errorf("forward a port: %w", err)
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return fmt.Errorf("forward a port: %w", err)
	}
	return use(fmt.Sprintf("127.0.0.1:%d", ports[0].Local))
}

// dialer speaks websockets, and SPDY where something on the way does not let these through, as kubectl does.
func (f forward) dialer() (httpstream.Dialer, error) {
	url := f.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(f.namespace).Name(f.pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(f.config)
	if err != nil {
		return nil, fmt.Errorf("forward a port: %w", err)
	}
	overSPDY := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	overWebsocket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(url, f.config)
	if err != nil {
		return nil, fmt.Errorf("forward a port: %w", err)
	}
	return portforward.NewFallbackDialerForStreaming(overWebsocket, overSPDY, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}
