// Command kubectl-sluice is a plugin of kubectl: manifests or a cluster go in, and what Sluice makes of them comes out.
//
// It is a thin shell around the packages that the processes use, so that what it says is what they do. Each command is
// a file of its own, named like it; the others are:
//
//	main.go      the root command, flags that all commands share, exit codes
//	terminal.go  what people see: errors, warnings, colours
//	source.go    where objects come from: files, or the cluster
//	target.go    which proxy is meant
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
)

// version is set when a release is linked.
var version = "dev"

// Exit codes, the same for all commands.
const (
	exitOK = 0
	// exitFound means that the command did its work, and something is not as it should be.
	exitFound = 1
	// exitFailed means that the command could not do its work.
	exitFailed = 2
)

// errFound ends a command that has told already what is not as it should be.
var errFound = errors.New("not as it should be")

func main() {
	// A second signal kills at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}))
}

// run is the whole program.
func run(ctx context.Context, args []string, streams genericiooptions.IOStreams) int {
	// What libraries log is not addressed to the user; errors come back as values.
	klog.SetLogger(klog.Logger{})
	s := &shell{IOStreams: streams, cluster: genericclioptions.NewConfigFlags(true)}
	cmd := root(s)
	cmd.SetArgs(args)
	cmd.SetIn(streams.In)
	cmd.SetOut(streams.Out)
	cmd.SetErr(streams.ErrOut)
	err := cmd.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFound):
		return exitFound
	case ctx.Err() != nil:
		// Whoever pressed Ctrl-C knows.
		return exitFailed
	}
	s.fail(err)
	return exitFailed
}

// shell is what all commands have.
type shell struct {
	genericiooptions.IOStreams
	// cluster are the flags that choose a cluster, a namespace and a user, as with kubectl.
	cluster *genericclioptions.ConfigFlags
	quiet   bool
}

func root(s *shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:         "kubectl-sluice",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl sluice"},
		Short:       "See what Sluice makes of your mesh",
		Long: `kubectl sluice shows what Sluice makes of App Mesh's objects, in a cluster or in the files that you are about to apply.

It works with the rights of your kubeconfig, and without any cluster where it is given files.

Exit codes of all commands:
  0  done, and all is as it should be
  1  done, but something is not as it should be; the lines on standard error, or the table, say what
  2  could not do it: a file is missing, the cluster does not answer, an argument is wrong`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	flags := cmd.PersistentFlags()
	s.cluster.AddFlags(flags)
	hideAllBut(flags, "kubeconfig", "context", "namespace", "as")
	flags.BoolVarP(&s.quiet, "quiet", "q", false, "no warnings on standard error, errors only")
	cmd.AddCommand(configCommand(s), versionCommand(s))
	return cmd
}

// hideAllBut keeps the help readable: kubectl's other flags work too, and `kubectl options` explains them.
func hideAllBut(flags *pflag.FlagSet, shown ...string) {
	flags.VisitAll(func(f *pflag.Flag) {
		f.Hidden = true
		for _, name := range shown {
			if f.Name == name {
				f.Hidden = false
			}
		}
	})
}
