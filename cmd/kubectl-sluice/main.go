// Command kubectl-sluice is a plugin of kubectl: manifests or a cluster go in, and what Sluice makes of them comes out; and
// people drive releases by it.
//
// It is a thin shell around the packages that the processes use, so that what it says is what they do. Each command is
// a file of its own, named like it; the others are:
//
//	main.go      the root command, flags that all commands share, exit codes
//	terminal.go  what people see: errors, warnings, colours
//	source.go    where objects come from: files, or the cluster
//	target.go    which proxy is meant
//	workload.go  which pods are meant
//	injector.go  what the webhook would answer about them
//	lintprint.go what is found looks like
//	planprint.go what a plan looks like
//	picture.go   what of the cluster a release's status is made of
//	statusprint.go, statuswatch.go   how it is drawn, and followed
//	drive.go     how a Canary is written to, and its answer waited for; ask.go has the requests
//	examine.go   what of the cluster a diagnosis is made of
//	forward.go   the way into a pod
//
// What they say is decided in packages of their own, which are pure: release and diagnosis.
//
//	complete.go  what the shell suggests
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

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
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

// Errors that end a command which has told already what there is to tell.
var (
	errFound  = errors.New("something is not as it should be")
	errFailed = errors.New("something could not be done")
)

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
	case errors.Is(err, errFailed), ctx.Err() != nil:
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
	// system is the namespace that Sluice is installed in.
	system string
	quiet  bool
}

func root(s *shell) *cobra.Command {
	cmd := &cobra.Command{
		Use:         "kubectl-sluice",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl sluice"},
		Short:       "See and drive releases, and see what Sluice makes of your mesh",
		Long: `kubectl sluice shows where releases stand and drives them, says what is wrong with an installation, and shows what Sluice
makes of App Mesh's objects, in a cluster or in the files that you are about to apply.

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
	showOnly(flags, map[string]string{
		"kubeconfig": "kubeconfig file to use",
		"context":    "context of the kubeconfig to use",
		"namespace":  "namespace to look in; that of the context if it is not given",
		"as":         "user to act as",
	})
	// The only error is a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("namespace", s.completeNamespace)
	flags.StringVar(&s.system, "sluice-namespace", sluice.SystemNamespace, "namespace that Sluice is installed in")
	flags.BoolVarP(&s.quiet, "quiet", "q", false, "no warnings on standard error, errors only")
	cmd.AddCommand(
		statusCommand(s), promoteCommand(s), abortCommand(s), retryCommand(s), pauseCommand(s), resumeCommand(s),
		gateCommand(s), doctorCommand(s),
		checkInjectCommand(s), checkWebhookCommand(s), configCommand(s), injectCommand(s), lintCommand(s), planCommand(s),
		proxyStatusCommand(s), versionCommand(s),
	)
	return cmd
}

// showOnly keeps the help readable: kubectl's other flags work too, and `kubectl options` explains them.
func showOnly(flags *pflag.FlagSet, usage map[string]string) {
	flags.VisitAll(func(f *pflag.Flag) {
		text, shown := usage[f.Name]
		f.Hidden = !shown
		if shown {
			f.Usage = text
		}
	})
}
