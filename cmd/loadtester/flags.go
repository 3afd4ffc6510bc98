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

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// config is what the flags say.
type config struct {
	port      string
	timeout   time.Duration
	namespace *regexp.Regexp // nil admits every namespace
	maxTasks  int
	commands  *commands
	door      doorkeeper
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

/healthz and /metrics are on the same port.

Who may do this: requests that the canary process signed, by a certificate of the authority in -ca-file, and whoever is in
this pod (kubectl exec, kubectl port-forward). Without that file, as in manifests of Flagger's, everybody who reaches the
port may, and a warning says so. What may be done: commands run the programs of -allow-commands, in a restricted bash that
writes no files; -allow-commands=* gives plain shells. Limit the namespaces by -namespace-regexp as well.

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
	maxTasks := flags.Int("max-tasks", 50, "commands that run at the same time; more are refused")
	allowed := flags.String("allow-commands", strings.Join(defaultCommands, ","), "programs that tasks may run, separated by commas; * for all")
	auth := flags.String("auth", authAuto, "whether tasks and gate moves from outside this pod must be signed: auto (if -ca-file is there), required or off")
	caFile := flags.String("ca-file", "/var/run/sluice/"+sluice.CAFile, "authorities that sign the canary process's certificate, as the ConfigMap sluice-proxy has them")
	sender := flags.String("canary-name", sluice.CanaryService+"."+sluice.SystemNamespace+".svc", "DNS name in the canary process's certificate")
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
	cfg := config{port: *port, timeout: *timeout, maxTasks: *maxTasks}
	if *maxTasks < 1 {
		return config{}, fmt.Errorf("-max-tasks: %d; at least 1 command has to be able to run", *maxTasks)
	}
	if cfg.log, err = newLogger(os.Stdout, *level, *encoding); err != nil {
		return config{}, err
	}
	if *namespaces != "" {
		if cfg.namespace, err = regexp.Compile(*namespaces); err != nil {
			return config{}, fmt.Errorf("-namespace-regexp: %w", err)
		}
	}
	if cfg.door, err = newDoorkeeper(*auth, *caFile, *sender); err != nil {
		return config{}, err
	}
	cfg.commands, err = allow(strings.FieldsFunc(*allowed, func(r rune) bool { return r == ',' || r == ' ' }))
	return cfg, err
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
