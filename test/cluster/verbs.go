package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-mesh/sluice/test/cluster/build"
	"github.com/sluice-mesh/sluice/test/cluster/hosts"
	"github.com/sluice-mesh/sluice/test/cluster/kind"
	"github.com/sluice-mesh/sluice/test/cluster/lb"
)

func verbs() []verb {
	return []verb{
		{
			name: "up", args: "[--without-docker]", summary: "start the cluster, unless it runs already",
			details: `Uses kind where Docker works. Otherwise, on Linux as root, it starts the real
components; the first time it builds them, which takes a quarter of an hour on
two cores. Returns when pods can run, names resolve and metrics are served.

  --without-docker   start the components even where Docker works`,
			run: up,
		},
		{name: "down", summary: "take the cluster down and leave nothing of it", run: down},
		{name: "status", summary: "say what runs", run: status},
		{
			name: "kubeconfig", summary: "print the path of the kubeconfig, nothing else",
			details: "  export KUBECONFIG=$(cluster kubeconfig)", run: kubeconfig,
		},
		{
			name: "images", args: "[NAME...]", summary: "build our images and podinfo, and load them into the cluster",
			details: imagesDetails, run: images,
		},
		{
			name: "load", args: "ARCHIVE...", summary: "load image archives (OCI or docker save) into the cluster",
			run: load,
		},
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
		{name: "prune", summary: "remove everything that was built (the next up takes long again)", run: prune},
		{name: "lb", hidden: true, summary: "serve Services of type LoadBalancer; started by up", run: balance},
	}
}

func up(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	withoutDocker := flags.Bool("without-docker", false, "start the components on this machine even where Docker works")
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	if err := want(flags.Args(), 0, "up takes no arguments"); err != nil {
		return err
	}
	cache, err := newCache()
	if err != nil {
		return err
	}
	docker, components, err := backends(cache)
	if err != nil {
		return err
	}
	unlock, err := cache.Lock(ctx, "cluster")
	if err != nil {
		return err
	}
	defer unlock()
	// A cluster that was started one way is not started a second time the other.
	if !components.Exists() && !*withoutDocker && (docker.Exists() || kind.DockerWorks(ctx)) {
		return docker.Up(ctx)
	}
	return components.Up(ctx)
}

func down(ctx context.Context, args []string) error {
	if err := want(args, 0, "down takes no arguments"); err != nil {
		return err
	}
	cache, err := newCache()
	if err != nil {
		return err
	}
	unlock, err := cache.Lock(ctx, "cluster")
	if err != nil {
		return err
	}
	defer unlock()
	b, err := running(cache)
	if errors.Is(err, errNoCluster) {
		fmt.Fprintln(os.Stderr, "no cluster is running")
		return nil
	}
	if err != nil {
		return err
	}
	return b.Down(ctx)
}

func status(ctx context.Context, args []string) error {
	if err := want(args, 0, "status takes no arguments"); err != nil {
		return err
	}
	cache, err := newCache()
	if err != nil {
		return err
	}
	b, err := running(cache)
	if err != nil {
		return err
	}
	text, err := b.Status(ctx)
	fmt.Print(text)
	return err
}

func kubeconfig(_ context.Context, args []string) error {
	if err := want(args, 0, "kubeconfig takes no arguments"); err != nil {
		return err
	}
	cache, err := newCache()
	if err != nil {
		return err
	}
	b, err := running(cache)
	if err != nil {
		return err
	}
	fmt.Println(b.Kubeconfig())
	return nil
}

func load(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return want(args, 1, "name at least one archive")
	}
	cache, err := newCache()
	if err != nil {
		return err
	}
	b, err := running(cache)
	if err != nil {
		return err
	}
	for _, archive := range args {
		archive, err := filepath.Abs(archive)
		if err != nil {
			return err
		}
		if err := b.Load(ctx, archive); err != nil {
			return err
		}
	}
	return nil
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

func prune(_ context.Context, args []string) error {
	if err := want(args, 0, "prune takes no arguments"); err != nil {
		return err
	}
	cache, err := newCache()
	if err != nil {
		return err
	}
	if _, err := running(cache); err == nil {
		return errors.New("the running cluster uses what was built: take it down first, with `make cluster-down`")
	}
	return cache.Prune()
}

func balance(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("lb", flag.ContinueOnError)
	o := lb.Options{Log: os.Stderr}
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "the cluster to serve")
	flags.StringVar(&o.HostsFile, "hosts", hosts.File, "the file that gets the names; empty for none")
	flags.StringVar(&o.Announce, "announce", "", "command that makes an address (%s) known to the network")
	addresses := flags.String("addresses", "", "FIRST-LAST of the addresses to give out")
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	var err error
	if o.Addresses, err = lb.ParseRange(*addresses); err != nil {
		return err
	}
	return lb.Run(ctx, o)
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
