// Command proxyinit redirects the TCP traffic of a pod to its Envoy: it reads the APPMESH_ variables of its environment,
// writes one nftables table into the pod's network namespace and ends. It needs the capability NET_ADMIN and no other
// program. Where a CNI plugin redirects, it only looks whether that was done, and needs nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/sluice-mesh/sluice/cmd/proxyinit/nft"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject/redirect"
)

// Exit codes.
const (
	exitDone     = 0
	exitKernel   = 1 // the kernel refused the rules
	exitSettings = 2 // the environment or the command line cannot be read
	exitMissing  = 3 // nobody redirected the pod, as --verify found
)

const usage = `proxyinit redirects the TCP traffic of a pod to the Envoy that runs beside it.

It is meant to run as an init container with the capability NET_ADMIN. It replaces the nftables tables "ip sluice" and
"ip6 sluice", each as a whole in one transaction, so running it again is harmless. UDP, and so DNS, is left alone.
Where the kernel has no nftables for IPv6 and the pod has no IPv6 address, IPv6 is left out with a remark.

  incoming  to a port of APPMESH_APP_PORTS          -> APPMESH_ENVOY_INGRESS_PORT
  outgoing  to any other machine                    -> APPMESH_ENVOY_EGRESS_PORT
            except from Envoy itself, and to what the variables exclude

Environment (the same names as App Mesh's route manager):

  APPMESH_START_ENABLED         "0" removes the redirection instead; default 1
  APPMESH_IGNORE_UID            user of Envoy, whose connections go out as they are; default 1337
  APPMESH_IGNORE_GID            a group whose connections go out as they are; default none
  APPMESH_ENVOY_INGRESS_PORT    where Envoy takes incoming connections; default 15000
  APPMESH_ENVOY_EGRESS_PORT     where Envoy takes outgoing connections; default 15001
  APPMESH_APP_PORTS             ports of the application, 8080,9000:9010; empty: nothing incoming is redirected
  APPMESH_EGRESS_IGNORED_IP     addresses and CIDRs that are dialled directly
  APPMESH_EGRESS_IGNORED_PORTS  ports that are dialled directly; 22 always is
  APPMESH_ENABLE_IPV6           "1" redirects IPv6 as well; default 0

Flags:

  --print   print the rules and change nothing
  --verify  change nothing, and fail unless the redirection is there already; that takes no capability. It listens on port 15023
            of the loopback interface and dials 15022, from where only the redirection's own rules lead to 15023
  --help    print this

Exit codes: 0 done, 1 the kernel refused the rules, 2 the environment or the command line cannot be read, 3 no redirection.
`

func main() { os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr)) }

func run(args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("proxyinit", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what Parse says is repeated below, with a hint
	onlyPrint := flags.Bool("print", false, "")
	onlyVerify := flags.Bool("verify", false, "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitDone
	} else if err != nil || flags.NArg() > 0 {
		fmt.Fprintf(stderr, "proxyinit: it takes no such argument: %q; see proxyinit --help\n", args)
		return exitSettings
	}
	settings, err := redirect.FromEnvironment(getenv)
	if err != nil {
		fmt.Fprintf(stderr, "proxyinit: %v\n", err)
		return exitSettings
	}
	tables := settings.Rulesets()
	if *onlyVerify {
		return verify(tables, stdout, stderr)
	}
	for _, t := range tables {
		fmt.Fprint(stdout, t)
	}
	if *onlyPrint {
		return exitDone
	}
	leftOut, err := nft.Apply(tables)
	if err != nil {
		fmt.Fprintf(stderr, "proxyinit: %v\n", err)
		return exitKernel
	}
	if leftOut != "" {
		fmt.Fprintf(stdout, "# %s\n", leftOut)
	}
	return exitDone
}

// verify says whether somebody else redirected this pod, and if nobody did, what to do about it.
func verify(tables []redirect.Ruleset, stdout, stderr io.Writer) int {
	err := nft.Prove(tables)
	var missing *nft.Missing
	switch {
	case errors.As(err, &missing):
		fmt.Fprintf(stderr, `proxyinit: %v
The pod would bypass the mesh, so it does not start. The CNI plugin %s redirects a pod once, when its network is made,
and did not do so for this one: it was not installed on the node yet, or not at that moment, or the node's container runtime
does not show it the pod's annotations. See that the DaemonSet %s has a ready pod on this node, and then delete this pod, so
that it is made anew. Starting its containers again does not help.
`, missing, sluice.CNIPlugin, sluice.CNIPlugin)
		return exitMissing
	case err != nil:
		fmt.Fprintf(stderr, "proxyinit: %v\n", err)
		return exitKernel
	}
	fmt.Fprintln(stdout, "the traffic of this pod is redirected")
	return exitDone
}
