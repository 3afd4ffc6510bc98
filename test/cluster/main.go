// Command cluster runs a real Kubernetes cluster on this machine, for tests and
// for the demo: kind where Docker works, otherwise the real components on Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// errUsage means that the verb has already said what is wrong with the call.
var errUsage = errors.New("wrong usage")

// verb is one thing that can be asked for. Answers go to standard output, and
// nothing else does; whatever is told on the way goes to standard error.
type verb struct {
	name    string
	args    string
	summary string
	details string
	hidden  bool
	run     func(ctx context.Context, args []string) error
}

func main() {
	// Where nft, runc and ip are; a plain user's shell may leave it out.
	_ = os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := dispatch(ctx, os.Args[1:]); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" && len(args) == 1 || isHelp(args[0]) {
		fmt.Print(overview())
		return nil
	}
	if args[0] == "help" {
		args = []string{args[1], "--help"}
	}
	for _, v := range verbs() {
		if v.name != args[0] {
			continue
		}
		if len(args) > 1 && isHelp(args[1]) {
			fmt.Print(v.help())
			return nil
		}
		return v.run(ctx, args[1:])
	}
	fmt.Fprintf(os.Stderr, "cluster: there is no verb %q\n\n%s", args[0], overview())
	return errUsage
}

func isHelp(arg string) bool { return arg == "-h" || arg == "--help" || arg == "-help" }

func overview() string {
	var b strings.Builder
	b.WriteString("A real Kubernetes cluster on this machine, for tests and for the demo.\n\nUsage: cluster VERB [ARGUMENTS]\n\n")
	for _, v := range verbs() {
		if !v.hidden {
			fmt.Fprintf(&b, "  %-24s %s\n", strings.TrimSpace(v.name+" "+v.args), v.summary)
		}
	}
	b.WriteString(`
A first walk:

  cluster up                                   # the first time builds for a while, then it takes seconds
  cluster images                               # build our images and load them
  export KUBECONFIG=$(cluster kubeconfig)
  kubectl get nodes                            # kubectl itself: $(cluster tool kubectl)
  cluster down                                 # leaves nothing behind

"cluster help VERB" tells more about one of them.
`)
	return b.String()
}

func (v verb) help() string {
	text := fmt.Sprintf("Usage: cluster %s\n\n%s.\n", strings.TrimSpace(v.name+" "+v.args), strings.ToUpper(v.summary[:1])+v.summary[1:])
	if v.details != "" {
		text += "\n" + strings.TrimSpace(v.details) + "\n"
	}
	return text
}
