package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Need is a program of the host, and the Debian package that has it.
type Need struct {
	Program string
	Package string
	Why     string
}

var needs = []Need{
	{"nft", "nftables", "Services and redirection are nft rules"},
	{"runc", "runc", "containers are started by it"},
	{"ip", "iproute2", "the node's network device is made with it"},
}

// Require checks what the machine must have, and on Debian installs what is
// missing. What it cannot mend it says in one sentence.
func Require(ctx context.Context, log io.Writer) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("without Docker the cluster needs Linux, and this is %s: start Docker and try again", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("without Docker the cluster needs root: run it with sudo, or start Docker and try again")
	}
	return Install(ctx, log, needs)
}

// Install brings the packages of missing programs onto the machine, where that
// is Debian and we are root. Elsewhere it says what is missing.
func Install(ctx context.Context, log io.Writer, wanted []Need) error {
	lacking := missing(wanted)
	if len(lacking) == 0 {
		return nil
	}
	var packages []string
	for _, n := range lacking {
		packages = append(packages, n.Package)
	}
	command := "apt-get install --no-install-recommends " + strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("missing on this machine: %s; install it first (on Debian, as root: %s)", explain(lacking), command)
	}
	fmt.Fprintf(log, "installing Debian packages: %s\n", strings.Join(packages, " "))
	if err := aptInstall(ctx, packages); err == nil {
		return nil
	}
	// The lists may be old or absent, as in a fresh container.
	if err := apt(ctx, "update"); err != nil {
		return fmt.Errorf("update the lists of packages: %w; install them yourself: %s", err, command)
	}
	if err := aptInstall(ctx, packages); err != nil {
		return fmt.Errorf("install packages: %w; install them yourself: %s", err, command)
	}
	return nil
}

func aptInstall(ctx context.Context, packages []string) error {
	return apt(ctx, append([]string{"install", "-y", "-q", "--no-install-recommends"}, packages...)...)
}

func apt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("apt-get %s: %w: %s", args[0], err, lines[len(lines)-1])
	}
	return nil
}

func missing(all []Need) []Need {
	var lacking []Need
	for _, n := range all {
		if _, err := exec.LookPath(n.Program); err != nil {
			lacking = append(lacking, n)
		}
	}
	return lacking
}

func explain(lacking []Need) string {
	var parts []string
	for _, n := range lacking {
		parts = append(parts, fmt.Sprintf("%s (%s)", n.Program, n.Why))
	}
	return strings.Join(parts, ", ")
}
