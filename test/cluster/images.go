package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-mesh/sluice/test/cluster/build"
	"github.com/sluice-mesh/sluice/test/cluster/image"
	"github.com/sluice-mesh/sluice/test/cluster/product"
)

const imagesDetails = `
The images are sluice, sluice-proxy, sluice-loadtester and podinfo (under the
tags 3.1.0, 3.1.1 and 3.1.2); without arguments all of them. Only what the
cluster does not have yet is copied. Only when asked for: probe, the application
of the end-to-end tests, and flagger and prometheus, the partners in them.

  --no-load    build the archives and print their paths; needs no cluster
  --tag TAG    the tag of our own images and the version they report (dev)`

// images builds the images and brings them into the cluster.
func images(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("images", flag.ContinueOnError)
	noLoad := flags.Bool("no-load", false, "only build")
	only := flags.String("only", "", "comma-separated names, as an alternative to arguments")
	tag := flags.String("tag", "dev", "the tag of our own images")
	names, err := parseMixed(flags, args)
	if err != nil {
		return errUsage
	}
	if *only != "" {
		names = append(names, strings.Split(*only, ",")...)
	}
	everything := len(names) == 0
	if names, err = imageNames(names); err != nil {
		return err
	}
	cache, err := newCache()
	if err != nil {
		return err
	}
	root, err := repository()
	if err != nil {
		return err
	}
	if !*noLoad {
		if _, err := running(cache); err != nil {
			return err // before anything is built in vain
		}
	}
	unlock, err := cache.Lock(ctx, "images") // two at once would build over each other's files
	if err != nil {
		return err
	}
	defer unlock()
	builder := product.Builder{Repository: root, Cache: cache, Version: *tag, Log: os.Stderr}
	var failed error
	for _, name := range names {
		built, err := builder.Build(ctx, name)
		if everything && errors.Is(err, product.ErrNoCommands) {
			fmt.Fprintf(os.Stderr, "skipped: %v\n", err)
			continue
		}
		if err != nil {
			failed = errors.Join(failed, err) // the other images may still be useful
			continue
		}
		if *noLoad {
			failed = errors.Join(failed, keep(cache, built))
			continue
		}
		failed = errors.Join(failed, bring(ctx, cache, built))
	}
	return failed
}

// imageNames checks what was asked for; "podinfo:3.1.1" means podinfo.
func imageNames(asked []string) ([]string, error) {
	if len(asked) == 0 {
		return product.Usual(), nil
	}
	var names []string
	for _, name := range asked {
		name, _, _ = strings.Cut(name, ":")
		if !slices.Contains(product.Names(), name) {
			return nil, fmt.Errorf("no image is called %q: choose among %s", name, strings.Join(product.Names(), ", "))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// keep writes archives to the cache and prints where they are.
func keep(cache *build.Cache, built []*image.Image) error {
	for _, img := range built {
		archive, err := archivePath(cache, img)
		if err != nil {
			return err
		}
		if err := img.Write(archive); err != nil {
			return err
		}
		fmt.Println(archive)
	}
	return nil
}

// bring loads what the cluster lacks.
func bring(ctx context.Context, cache *build.Cache, built []*image.Image) error {
	cluster, err := running(cache)
	if err != nil {
		return err
	}
	for _, img := range built {
		missing, err := cluster.Missing(ctx, img)
		if err != nil {
			return err
		}
		if !missing {
			fmt.Fprintln(os.Stderr, img.Names[0]+": unchanged")
			continue
		}
		archive, err := archivePath(cache, img)
		if err != nil {
			return err
		}
		if err := img.Write(archive); err != nil {
			return err
		}
		err = cluster.Load(ctx, archive)
		_ = os.Remove(archive) // half a gigabyte that nobody would look at again
		if err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, img.Names[0]+": loaded")
	}
	return nil
}

func archivePath(cache *build.Cache, img *image.Image) (string, error) {
	dir := filepath.Join(cache.Root, "archives")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a folder for archives: %w", err)
	}
	name := img.Names[0][strings.LastIndex(img.Names[0], "/")+1:]
	return filepath.Join(dir, strings.ReplaceAll(name, ":", "-")+".tar"), nil
}

// parseMixed reads flags before and after the arguments.
func parseMixed(flags *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, flags.Arg(0))
		args = flags.Args()[1:]
	}
}
