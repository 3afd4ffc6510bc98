package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Prometheus returns the folder that holds prometheus and promtool, taken out of Debian's package. The package is not
// installed: that would start a daemon on this machine.
func (c *Cache) Prometheus(ctx context.Context) (string, error) {
	return c.place(ctx, "prometheus-promtool-debian", func(ctx context.Context, tmp string) error {
		fmt.Fprintln(c.Log, "prometheus: fetching Debian's package")
		if _, err := exec.LookPath("apt-get"); err != nil {
			return fmt.Errorf("fetching Prometheus needs Debian's apt-get: %w", err)
		}
		download := func() error { return runIn(ctx, tmp, "apt-get", "download", "-q", "prometheus") }
		if err := download(); err != nil {
			// The lists may be old or absent, as in a fresh container.
			if err := runIn(ctx, tmp, "apt-get", "update", "-q"); err != nil {
				return err
			}
			if err := download(); err != nil {
				return err
			}
		}
		found, err := filepath.Glob(filepath.Join(tmp, "prometheus_*.deb"))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("fetch prometheus: apt-get left %d packages, want one", len(found))
		}
		if err := runIn(ctx, tmp, "dpkg-deb", "--extract", found[0], "package"); err != nil {
			return err
		}
		for _, program := range []string{"prometheus", "promtool"} {
			if err := os.Rename(filepath.Join(tmp, "package", "usr", "bin", program), filepath.Join(tmp, program)); err != nil {
				return fmt.Errorf("find %s in its package: %w", program, err)
			}
		}
		return os.RemoveAll(filepath.Join(tmp, "package"))
	})
}

func runIn(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, args[0], err, out)
	}
	return nil
}
