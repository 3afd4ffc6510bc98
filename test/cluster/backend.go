package main

import (
	"context"
	"errors"
	"os"

	"github.com/sluice-mesh/sluice/test/cluster/build"
	"github.com/sluice-mesh/sluice/test/cluster/image"
	"github.com/sluice-mesh/sluice/test/cluster/kind"
	"github.com/sluice-mesh/sluice/test/cluster/node"
)

// backend is one way of running the cluster.
type backend interface {
	Up(ctx context.Context) error
	Down(ctx context.Context) error
	Exists() bool
	Kubeconfig() string
	Status(ctx context.Context) (string, error)
	Load(ctx context.Context, archive string) error
	Missing(ctx context.Context, img *image.Image) (bool, error)
}

var errNoCluster = errors.New("no cluster is running: start one with `make cluster-up`")

// backends lists both ways.
func backends(cache *build.Cache) (docker, components backend, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	return inDocker{kind.New(cache, os.Stderr, self)}, onHost{node.Options{Cache: cache, Log: os.Stderr, Self: self}}, nil
}

// running is the cluster that was started, whichever way.
func running(cache *build.Cache) (backend, error) {
	docker, components, err := backends(cache)
	if err != nil {
		return nil, err
	}
	for _, b := range []backend{components, docker} {
		if b.Exists() {
			return b, nil
		}
	}
	return nil, errNoCluster
}

// onHost is the cluster of real components on this very machine.
type onHost struct{ node.Options }

func (h onHost) Up(ctx context.Context) error   { return node.Up(ctx, h.Options) }
func (h onHost) Down(ctx context.Context) error { return node.Down(ctx, h.Log) }
func (h onHost) Kubeconfig() string             { return node.Kubeconfig() }

func (h onHost) Exists() bool {
	_, err := os.Stat(node.Dir)
	return err == nil
}

func (h onHost) Status(ctx context.Context) (string, error) {
	state, err := node.Inspect(ctx)
	if err == nil && !state.Healthy() {
		err = errors.New("the cluster does not work")
	}
	return state.String(), err
}

func (h onHost) Load(ctx context.Context, archive string) error {
	loader, err := node.NewLoader(ctx, h.Cache)
	if err != nil {
		return err
	}
	return loader.Load(ctx, archive)
}

func (h onHost) Missing(ctx context.Context, img *image.Image) (bool, error) {
	loader, err := node.NewLoader(ctx, h.Cache)
	if err != nil {
		return false, err
	}
	return loader.Missing(ctx, img)
}

// inDocker is the cluster that kind runs.
type inDocker struct{ kind.Cluster }

func (d inDocker) Status(ctx context.Context) (string, error) {
	if err := d.Healthy(ctx); err != nil {
		return "", err
	}
	return "the cluster runs in Docker; its kubeconfig is " + d.Kubeconfig() + "\n", nil
}
