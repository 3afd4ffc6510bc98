// Command proxyinit redirects the TCP traffic of a pod to its Envoy: it reads the APPMESH_ variables of its environment,
// writes one nftables table into the pod's network namespace and ends. It needs the capability NET_ADMIN and no other
// program.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
)

// Exit codes.
const (
	exitDone     = 0
	exitKernel   = 1 // the kernel refused the rules
	exitSettings = 2 // the environment or the command line cannot be read
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
  --help    print this

Exit codes: 0 done, 1 the kernel refused the rules, 2 the environment or the command line cannot be read.
`

func main() { os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr)) }

func run(args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("proxyinit", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what Parse says is repeated below, with a hint
	onlyPrint := flags.Bool("print", false, "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitDone
	} else if err != nil || flags.NArg() > 0 {
		fmt.Fprintf(stderr, "proxyinit: it takes no such argument: %q; see proxyinit --help\n", args)
		return exitSettings
	}
	s, err := readSettings(getenv)
	if err != nil {
		fmt.Fprintf(stderr, "proxyinit: %v\n", err)
		return exitSettings
	}
	for _, rules := range build(s) {
		fmt.Fprint(stdout, rules)
		if *onlyPrint {
			continue
		}
		if err := install(rules); err != nil {
			if rules.family == ipv6 && !needsIPv6(rules, net.InterfaceAddrs) {
				fmt.Fprintf(stdout, "# IPv6 is left alone, and the pod has no IPv6 address that it could be reached by: %v\n", err)
				continue
			}
			fmt.Fprintf(stderr, "proxyinit: %v\n", err)
			return exitKernel
		}
	}
	return exitDone
}

// needsIPv6 says whether a table of IPv6 that cannot be written leaves anything unredirected. An interface that has
// only its link-local address has no way to another machine's application, and a kernel without IPv6 has not even that.
func needsIPv6(r ruleset, addresses func() ([]net.Addr, error)) bool {
	if !r.enabled {
		return false // there was nothing to remove
	}
	list, err := addresses()
	if err != nil {
		return true // a pod that is not what it seems must not start
	}
	return slices.ContainsFunc(list, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.To4() == nil && n.IP.IsGlobalUnicast()
	})
}
