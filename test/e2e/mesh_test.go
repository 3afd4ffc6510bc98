//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// TestMesh plays testdata/mesh/*.txtar: one topic of the mesh each, in a mesh and a namespace of the topic's name. The
// files in a script are what a user applies; what happens is seen from inside a client's pod, through real Envoys.
//
// Verbs are in the table below, besides those of testscript. "* VERB" tries again until it succeeds, "! VERB" wants it to
// fail, "* ! VERB" tries again until it fails.
func TestMesh(t *testing.T) {
	must(t, cluster.Images(testContext(t, 5*time.Minute), "probe"))
	files, err := filepath.Glob("testdata/mesh/*.txtar")
	must(t, err)
	if os.Getenv("SLUICE_MESH") != "all" {
		files = slices.DeleteFunc(files, func(f string) bool { return !slices.Contains(essential, filepath.Base(f)) })
	}
	play(t, files, nil)
}

// essential are the topics that run where SLUICE_MESH is not "all": every push has time for these.
var essential = []string{"weights.txtar", "tls.txtar"}

// play runs scripts, which may have verbs of their own.
func play(t *testing.T, files []string, more map[string]verb) {
	all := verbs()
	maps.Copy(all, more)
	commands := map[string]func(*testscript.TestScript, bool, []string){}
	for name, v := range all {
		commands[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			s := ts.Value(stageKey{}).(*stage)
			s.ts = ts
			out, err := v(s, args)
			fmt.Fprint(ts.Stdout(), out)
			s.settle(name, neg, err)
		}
	}
	testscript.Run(t, testscript.Params{Files: files, Cmds: commands, RequireUniqueNames: true, Setup: func(env *testscript.Env) error {
		setStage(env, all)
		return nil
	}})
}

// verbs is what a script can say.
func verbs() map[string]verb {
	return map[string]verb{
		"mesh":        (*stage).mesh,        // mesh ALLOW_ALL|DROP_ALL: the topic's mesh and namespace, which is opted in
		"apply":       (*stage).apply,       // apply FILE...: kubectl apply in the namespace
		"app":         (*stage).app,         // app NAME [FLAGS] PROTOCOL:PORT...: the probe as a Deployment, with a Service
		"service":     (*stage).service,     // service NAME PORT...: a name without pods, for a virtual service
		"ready":       (*stage).ready,       // ready NAME...: every pod of these Deployments is ready
		"ask":         (*stage).ask,         // ask CLIENT [FLAGS] URL [want FACET...]: from inside the client's pod; see package tally
		"get":         (*stage).get,         // get APP PATH: what the Envoy beside an application says on port 9901
		"peek":        (*stage).peek,        // peek CLIENT HOST:PORT: the names in the certificate that is served there
		"start":       (*stage).start,       // start NAME ask ...: the same, while the script goes on
		"load":        (*stage).load,        // load NAME CLIENT [FLAGS] URL [want FACET...]: ask, until it is finished
		"still":       (*stage).still,       // still NAME...: what was started has not ended yet
		"finish":      (*stage).finish,      // finish NAME: the end of what was started
		"certificate": (*stage).certificate, // certificate SECRET AUTHORITY [HOST...]: a Secret with cert.pem, key.pem and ca.pem
		"kubectl":     (*stage).kubectl,     // kubectl ...: in the namespace, unless --all-namespaces is among the words
		"sees":        (*stage).sees,        // sees REGEXP VERB...: what the verb says matches
		"*":           (*stage).again,       // * VERB...: again until it succeeds
	}
}

type verb func(s *stage, args []string) (string, error)

type stageKey struct{}

// stage is one script's part of the cluster.
type stage struct {
	ts          *testscript.TestScript
	verbs       map[string]verb
	ctx         context.Context
	name        string
	running     map[string]chan outcome
	enough      map[string]func() // ends a load
	authorities map[string]authority
}

// outcome is what something that ran beside the script came to.
type outcome struct {
	out string
	err error
}

func setStage(env *testscript.Env, verbs map[string]verb) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	env.Defer(cancel)
	name := env.WorkDir[strings.LastIndex(env.WorkDir, "script-")+len("script-"):]
	s := &stage{ctx: ctx, name: name, verbs: verbs, running: map[string]chan outcome{}, enough: map[string]func(){}, authorities: map[string]authority{}}
	env.Values[stageKey{}] = s
	env.Defer(func() { s.clear(context.WithoutCancel(ctx)) })
}

// clear removes what the script made. A mesh goes last: it stays as long as it has members. The namespace's pods are not
// waited for, since the next script has a namespace of its own.
func (s *stage) clear(ctx context.Context) {
	const members = "gatewayroutes,virtualgateways,virtualservices,virtualrouters,virtualnodes,backendgroups"
	_ = kubectl(ctx, "-n", s.name, "delete", members, "--all", "--ignore-not-found", "--wait=false")
	_ = kubectl(ctx, "delete", "namespace", s.name, "--ignore-not-found", "--wait=false")
	err := walkthrough.Eventually(ctx, 20*time.Second, "remove the mesh", func(ctx context.Context) error {
		return kubectl(ctx, "delete", "meshes.appmesh.k8s.aws", s.name, "--ignore-not-found", "--wait=false")
	})
	if err != nil {
		s.note("%v", err)
	}
}

// settle ends the script, with what an absent reader needs, unless the verb came out as the line wants.
func (s *stage) settle(line string, neg bool, err error) {
	switch {
	case neg && err != nil:
		s.ts.Logf("[failed as it should: %v]", err)
	case neg:
		s.dump()
		s.ts.Fatalf("%s: succeeded, and should not", line)
	case err != nil:
		s.dump()
		s.ts.Fatalf("%s: %v", line, err)
	}
}

func (s *stage) dump() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 30*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"get", "pods", "-o", "wide"},
		{"get", "virtualnodes,virtualrouters,virtualservices,virtualgateways,gatewayroutes", "-o",
			`jsonpath={range .items[*]}{.kind}/{.metadata.name}: {range .status.conditions[*]}{.type}={.status} {.reason} {.message}{"\n"}{end}{end}`},
		{"get", "events", "--sort-by=.lastTimestamp"},
		{"logs", "--all-containers", "--prefix", "--tail=15", "-l", "app", "--max-log-requests=30"},
	} {
		out, err := cluster.Run(ctx, append([]string{"-n", s.name}, args...)...)
		s.ts.Logf("--- kubectl %s\n%s", strings.Join(args, " "), out)
		if err != nil {
			s.ts.Logf("%v", err)
		}
	}
}

// do runs the verb that a line's words begin with.
func (s *stage) do(words []string) (string, error) {
	if len(words) == 0 {
		return "", fmt.Errorf("a verb is missing")
	}
	if words[0] == "!" {
		out, err := s.do(words[1:])
		if err == nil {
			return "", fmt.Errorf("%s: succeeded, and should not: %s", strings.Join(words[1:], " "), out)
		}
		return err.Error() + "\n", nil
	}
	v, ok := s.verbs[words[0]]
	if !ok {
		return "", fmt.Errorf("there is no verb %q: %v", words[0], slices.Sorted(maps.Keys(s.verbs)))
	}
	return v(s, words[1:])
}

func (s *stage) again(args []string) (out string, err error) {
	err = walkthrough.Eventually(s.ctx, 60*time.Second, strings.Join(args, " "), func(context.Context) error {
		out, err = s.do(args)
		return err
	})
	return out, err
}
