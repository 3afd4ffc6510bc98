// Command proxyinit redirects the TCP traffic of a pod to its Envoy: it reads the APPMESH_ variables of its environment,
// writes one nftables table into the pod's network namespace and ends. It needs the capability NET_ADMIN and no other
// program.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Exit codes.
const (
	exitDone     = 0
	exitKernel   = 1 // the kernel refused the rules
	exitSettings = 2 // the environment or the command line cannot be read
)

const usage = `proxyinit redirects the TCP traffic of a pod to the Envoy that runs beside it.

It is meant to run as an init container with the capability NET_ADMIN. It replaces the nftables table "sluice" as a
whole, in one transaction, so running it again is harmless. UDP, and so DNS, is left alone.

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
  APPMESH_ENABLE_IPV6           accepted; IPv6 is not redirected yet

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
	rules := build(s)
	fmt.Fprint(stdout, rules)
	if *onlyPrint {
		return exitDone
	}
	if err := install(rules); err != nil {
		fmt.Fprintf(stderr, "proxyinit: %v\n", err)
		return exitKernel
	}
	if s.ipv6 {
		fmt.Fprintln(stdout, "# IPv6 is not redirected yet: such connections bypass the mesh")
	}
	return exitDone
}
