package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-mesh/sluice/test/cluster/build"
)

func verbs() []verb {
	return []verb{
		{
			name: "assets", summary: "print the folder with kube-apiserver, etcd and kubectl",
			details: "Builds them if need be. For tests against a bare API server:\n\n  KUBEBUILDER_ASSETS=$(cluster assets) go test ./...",
			run:     assets,
		},
		{
			name: "tool", args: "NAME", summary: "print the path of one program, such as kubectl or envoy",
			details: "Builds it if need be.",
			run:     tool,
		},
	}
}

func assets(ctx context.Context, args []string) error {
	if err := want(args, 0, "assets takes no arguments"); err != nil {
		return err
	}
	cache, err := newCache()
	if err != nil {
		return err
	}
	dir, err := cache.Assets(ctx)
	if err != nil {
		return err
	}
	fmt.Println(dir)
	return nil
}

func tool(ctx context.Context, args []string) error {
	if err := want(args, 1, "name one program"); err != nil {
		return err
	}
	cache, err := newCache()
	if err != nil {
		return err
	}
	path, err := cache.Tool(ctx, args[0])
	if err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}

func want(args []string, n int, sentence string) error {
	if len(args) == n {
		return nil
	}
	fmt.Fprintln(os.Stderr, "cluster:", sentence)
	return errUsage
}

func newCache() (*build.Cache, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	return build.NewCache(filepath.Join(root, "test", "cluster", "components"), os.Stderr)
}

// repository finds the checkout from the working directory upwards: the
// components and our own commands are built from source, so there must be one.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "test", "cluster", "components")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find the repository: no test/cluster/components here or above; run this inside the checkout")
		}
		dir = parent
	}
}
