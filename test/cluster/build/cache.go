package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Cache builds components into folders below Root.
type Cache struct {
	Root       string // holds one folder per component and version
	Components string // the folder of the components' modules
	Log        io.Writer
}

// NewCache places the cache in the user's cache directory.
func NewCache(components string, log io.Writer) (*Cache, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find the user's cache directory (set HOME or XDG_CACHE_HOME): %w", err)
	}
	return &Cache{Root: filepath.Join(user, "sluice", "cluster"), Components: components, Log: log}, nil
}

// Ensure builds the named components unless they are there, and returns their
// folders in the same order.
func (c *Cache) Ensure(ctx context.Context, names ...string) ([]string, error) {
	dirs := make([]string, 0, len(names))
	for _, name := range names {
		component, err := Lookup(name)
		if err != nil {
			return nil, err
		}
		dir, err := c.ensure(ctx, component)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// Assets returns one folder with kube-apiserver, etcd and kubectl: what
// KUBEBUILDER_ASSETS wants. It is a folder of links, made anew when a version
// changes, because the three belong to two components.
func (c *Cache) Assets(ctx context.Context) (string, error) {
	dirs, err := c.Ensure(ctx, "kubernetes", "etcd")
	if err != nil {
		return "", err
	}
	kubernetes, etcd := dirs[0], dirs[1]
	name := "assets-" + tail(kubernetes) + "-" + tail(etcd)
	return c.place(ctx, name, func(_ context.Context, tmp string) error {
		for link, target := range map[string]string{
			"kube-apiserver": filepath.Join(kubernetes, "kube-apiserver"),
			"kubectl":        filepath.Join(kubernetes, "kubectl"),
			"etcd":           filepath.Join(etcd, "etcd"),
		} {
			if err := os.Symlink(target, filepath.Join(tmp, link)); err != nil {
				return fmt.Errorf("link %s: %w", link, err)
			}
		}
		return nil
	})
}

// fetched are the programs that are not built here, by name.
var fetched = map[string]func(*Cache, context.Context) (dir string, err error){
	"envoy":      (*Cache).Envoy,
	"prometheus": (*Cache).Prometheus,
	"promtool":   (*Cache).Prometheus,
}

// Tool returns the path of one program, building its component if need be.
func (c *Cache) Tool(ctx context.Context, name string) (string, error) {
	if fetch, ok := fetched[name]; ok {
		dir, err := fetch(c, ctx)
		return filepath.Join(dir, name), err
	}
	owner, err := Owner(name)
	if err != nil {
		return "", err
	}
	dirs, err := c.Ensure(ctx, owner.Name)
	if err != nil {
		return "", err
	}
	return filepath.Join(dirs[0], name), nil
}

// Prune removes everything that was ever built.
func (c *Cache) Prune() error {
	if err := os.RemoveAll(c.Root); err != nil {
		return fmt.Errorf("remove the cache %s: %w", c.Root, err)
	}
	return nil
}

func (c *Cache) ensure(ctx context.Context, component Component) (string, error) {
	module := filepath.Join(c.Components, component.Name)
	hash, err := component.hash(module)
	if err != nil {
		return "", err
	}
	name := component.Name + "-" + component.Version + "-" + hash
	return c.place(ctx, name, func(ctx context.Context, tmp string) error {
		return compile(ctx, job{Component: component, module: module, out: tmp, log: c.Log})
	})
}

// place returns the folder of that name; if it is missing, fill writes it.
// Two processes that want the same folder take turns, and the second finds it
// done. An interrupted build leaves only a folder that nobody looks at, which
// the next build of the same name clears away.
func (c *Cache) place(ctx context.Context, name string, fill func(context.Context, string) error) (string, error) {
	final := filepath.Join(c.Root, name)
	if exists(final) {
		return final, nil
	}
	unlock, err := c.Lock(ctx, name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(final) {
		return final, nil
	}
	tmp := filepath.Join(c.Root, ".partial-"+name)
	if err := os.RemoveAll(tmp); err != nil {
		return "", fmt.Errorf("clear an interrupted build: %w", err)
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return "", fmt.Errorf("make a folder to build in: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := fill(ctx, tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, final); err != nil {
		return "", fmt.Errorf("move the finished build into the cache: %w", err)
	}
	return final, nil
}

// Lock waits for its turn to work on what has that name, in this process or
// another, and returns how to give it up. The lock file stays behind: taking it
// away would let two processes hold locks on two different files of one name.
func (c *Cache) Lock(ctx context.Context, name string) (func(), error) {
	if err := os.MkdirAll(c.Root, 0o755); err != nil {
		return nil, fmt.Errorf("make the cache directory: %w", err)
	}
	path := filepath.Join(c.Root, ".lock-"+name)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock of %s: %w", name, err)
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			fmt.Fprintf(c.Log, "%s: another process is at it, waiting\n", name)
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tail is the hash at the end of a component's folder name.
func tail(dir string) string {
	name := filepath.Base(dir)
	return name[strings.LastIndex(name, "-")+1:]
}
