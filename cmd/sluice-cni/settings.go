package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// What the agent can be told to do.
const (
	verbInstall   = "install"
	verbUninstall = "uninstall"
	verbStatus    = "status"
	verbHelp      = "help"
)

// parse reads the command line of the agent.
func parse(args []string) (verb string, a *agent, err error) {
	a = &agent{}
	flags := flag.NewFlagSet("sluice-cni", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // mistakes are printed once, by run
	flags.StringVar(&a.binDir, "bin-dir", "/host/opt/cni/bin", "")
	flags.StringVar(&a.confDir, "conf-dir", "/host/etc/cni/net.d", "")
	flags.StringVar(&a.confFile, "conf-file", "", "")
	flags.BoolVar(&a.keepProgram, "keep-program", false, "")
	flags.BoolVar(&a.absent, "absent", false, "")
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	if verb == "-h" || verb == "--help" {
		verb = verbHelp
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return verbHelp, a, nil
	} else if err != nil {
		return "", nil, err
	}
	switch verb {
	case verbHelp, verbStatus:
	case verbInstall:
		a.absent = false
	case verbUninstall:
		a.absent = true
	default:
		return "", nil, fmt.Errorf("%q is neither install nor uninstall nor status", verb)
	}
	if flags.NArg() > 0 {
		return "", nil, fmt.Errorf("it takes no such argument: %q", flags.Arg(0))
	}
	return verb, a, nil
}
