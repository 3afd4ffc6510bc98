package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"
)

// config is what the flags say.
type config struct {
	port      string
	timeout   time.Duration
	namespace *regexp.Regexp // nil admits every namespace
	log       *slog.Logger
}

// errHelp says that the user asked for help and got it.
var errHelp = errors.New("help requested")

const helpText = `loadtester runs the load, checks and gates of Canary webhooks.

A Canary asks for work with a POST to / whose body is
  {"name": "podinfo", "namespace": "demo", "phase": "Progressing", "metadata": {...}}

metadata.type selects the task:
  cmd    (default) starts "sh -c" of metadata.cmd in the background and answers 202. While that command still runs for
         that canary it is not started again. metadata.logCmdOutput: "true" prints its output.
  bash   runs "bash -c" of metadata.cmd and answers when it has ended: 200, or 500 with its output.
         metadata.returnCmdOutput: "true" puts the output into the 200 as well.

Gates, for hooks such as confirm-rollout and rollback; the body names the canary:
  /gate/approve  always 200       /gate/halt  always 403
  /gate/check    200 if open, else 403 (closed at first); /gate/open and /gate/close answer 202
  /rollback/check, /rollback/open, /rollback/close: the same for rollback hooks

/healthz and /metrics are on the same port. Whoever reaches the port can run commands here: keep it inside the cluster
and limit it with -namespace-regexp and a NetworkPolicy.

Flags:
`

// parseFlags knows every flag of Flagger's load tester, so that its manifests start ours.
func parseFlags(args []string, help io.Writer) (config, error) {
	flags := flag.NewFlagSet("loadtester", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the flag package prints usage on every error; ours is one sentence
	port := flags.String("port", "9090", "port to listen on")
	timeout := flags.Duration("timeout", time.Hour, "longest that one command may run")
	level := flags.String("log-level", "debug", "least severe level that is logged: debug, info, warn or error")
	namespaces := flags.String("namespace-regexp", "", "run tasks only for canaries of namespaces that match this regular expression")
	encoding := flags.String("zap-encoding", "json", "format of the log: json or console")
	flags.Bool("zap-replace-globals", false, "accepted for compatibility, without effect")

	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(help)
		fmt.Fprint(help, helpText)
		flags.PrintDefaults()
		return config{}, errHelp
	}
	if err != nil {
		return config{}, fmt.Errorf("%w (see -help)", err)
	}
	cfg := config{port: *port, timeout: *timeout}
	if cfg.log, err = newLogger(os.Stdout, *level, *encoding); err != nil {
		return config{}, err
	}
	if *namespaces != "" {
		if cfg.namespace, err = regexp.Compile(*namespaces); err != nil {
			return config{}, fmt.Errorf("-namespace-regexp: %w", err)
		}
	}
	return cfg, nil
}

func newLogger(out io.Writer, level, encoding string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		return nil, fmt.Errorf("-log-level: %w", err)
	}
	options := &slog.HandlerOptions{Level: least}
	if encoding == "console" {
		return slog.New(slog.NewTextHandler(out, options)), nil
	}
	return slog.New(slog.NewJSONHandler(out, options)), nil
}
