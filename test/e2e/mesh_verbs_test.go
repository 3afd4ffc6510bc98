//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-mesh/sluice/pkg/kube/certs"
	"github.com/sluice-mesh/sluice/test/e2e/tally"
)

func (s *stage) kubectl(args []string) (string, error) {
	if slices.Contains(args, "--all-namespaces") {
		return cluster.Run(s.ctx, args...)
	}
	return cluster.Run(s.ctx, append([]string{"-n", s.name}, args...)...)
}

// create applies a manifest in the stage's namespace and returns all that kubectl says, warnings too. The webhook may just be restarting for another test, so an answer
// that it is not there is no verdict.
func (s *stage) create(manifest string) (out string, err error) {
	away := regexp.MustCompile(`failed calling webhook`)
	for range 20 {
		out, err = cluster.Apply(s.ctx, manifest, "-n", s.name)
		if err == nil || !away.MatchString(err.Error()) {
			return out, err
		}
		time.Sleep(500 * time.Millisecond)
	}
	return out, err
}

func (s *stage) apply(files []string) (string, error) {
	var all []string
	for _, f := range files {
		all = append(all, s.ts.ReadFile(f))
	}
	return s.create(strings.Join(all, "\n---\n"))
}

func (s *stage) ready(names []string) (string, error) {
	for _, name := range names {
		if _, err := s.kubectl([]string{"rollout", "status", "deployment/" + name, "--timeout=120s"}); err != nil {
			return "", err
		}
	}
	return "", nil
}

// ask runs the probe's client in a pod and compares what it saw with what the line wants.
func (s *stage) ask(args []string) (string, error) {
	args, wants := splitWants(args)
	if len(args) < 2 {
		return "", fmt.Errorf("write: ask CLIENT [FLAGS] URL [want FACET=COUNT...]")
	}
	out, err := s.kubectl(append([]string{"exec", "deployment/" + args[0], "-c", "app", "--", "/probe", "ask"}, args[1:]...))
	if err != nil {
		return out, err
	}
	return s.compare(out, wants)
}

// compare is the end of an ask: what the probe's client printed, and what the line wants.
func (s *stage) compare(out string, wants []string) (string, error) {
	var seen tally.Tally
	if err := json.Unmarshal([]byte(out), &seen); err != nil {
		return out, fmt.Errorf("read the probe's answer: %w", err)
	}
	for _, share := range seen.Shares(wants...) {
		s.note("%s", share)
	}
	return out, seen.Check(wants...)
}

// splitWants takes the expectations off the end of a line.
func splitWants(args []string) (words, wants []string) {
	if i := slices.Index(args, "want"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

func (s *stage) get(args []string) (string, error) {
	if len(args) != 2 {
		return "", fmt.Errorf("write: get APP PATH")
	}
	return s.kubectl([]string{"exec", "deployment/" + args[0], "-c", "app", "--", "/probe", "get", "http://127.0.0.1:9901" + args[1]})
}

func (s *stage) peek(args []string) (string, error) {
	if len(args) != 2 {
		return "", fmt.Errorf("write: peek CLIENT HOST:PORT")
	}
	return s.kubectl([]string{"exec", "deployment/" + args[0], "-c", "app", "--", "/probe", "peek", args[1]})
}

// note prints a figure whether or not the script fails, and while it runs.
func (s *stage) note(format string, args ...any) {
	fmt.Printf("    %s: %s\n", s.name, fmt.Sprintf(format, args...))
}

func (s *stage) start(args []string) (string, error) {
	if len(args) < 2 {
		return "", fmt.Errorf("write: start NAME, and a verb with its arguments")
	}
	done := make(chan outcome, 1)
	s.running[args[0]] = done
	go func() {
		out, err := s.do(args[1:])
		done <- outcome{out, err}
	}()
	time.Sleep(time.Second) // so that it is at work when the script goes on
	return "", nil
}

// load asks until it is told that it is enough, by the end of its standard input.
func (s *stage) load(args []string) (string, error) {
	args, wants := splitWants(args)
	if len(args) < 3 {
		return "", fmt.Errorf("write: load NAME CLIENT [FLAGS] URL [want FACET=COUNT...]")
	}
	cmd := cluster.Command(s.ctx, append([]string{"-n", s.name, "exec", "-i", "deployment/" + args[1], "-c", "app", "--", "/probe", "ask", "--until-eof"}, args[2:]...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	done := make(chan outcome, 1)
	s.running[args[0]], s.enough[args[0]] = done, func() { _ = stdin.Close() }
	go func() {
		out, err := cmd.Output()
		if err == nil {
			_, err = s.compare(string(out), wants)
		}
		done <- outcome{string(out), err}
	}()
	time.Sleep(time.Second) // so that it is at work when the script goes on
	return "", nil
}

func (s *stage) finish(args []string) (string, error) {
	if len(args) != 1 || s.running[args[0]] == nil {
		return "", fmt.Errorf("write: finish NAME, of what was started")
	}
	if enough := s.enough[args[0]]; enough != nil {
		enough()
	}
	o := <-s.running[args[0]]
	delete(s.running, args[0])
	if o.err == nil {
		s.note("%s: %s", args[0], strings.TrimSpace(o.out))
	}
	return o.out, o.err
}

// still wants what was started to be under way: what happened until now happened meanwhile.
func (s *stage) still(args []string) (string, error) {
	for _, name := range args {
		if s.running[name] == nil || len(s.running[name]) > 0 {
			return "", fmt.Errorf("%s has ended, or never began", name)
		}
	}
	return "", nil
}

func (s *stage) sees(args []string) (string, error) {
	if len(args) < 2 {
		return "", fmt.Errorf("write: sees REGEXP, and a verb with its arguments")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	if err != nil {
		return "", err
	}
	out, err := s.do(args[1:])
	if err != nil {
		return out, err
	}
	if !pattern.MatchString(out) {
		return out, fmt.Errorf("nothing matches %q in:\n%.3000s", args[0], out)
	}
	return out, nil
}

// authority is a certificate authority that lives as long as its script.
type authority = certs.Pair

func (s *stage) certificate(args []string) (string, error) {
	if len(args) < 2 {
		return "", fmt.Errorf("write: certificate SECRET AUTHORITY [HOST...]")
	}
	ca, ok := s.authorities[args[1]]
	if !ok {
		var err error
		if ca, err = certs.NewAuthority(time.Now()); err != nil {
			return "", err
		}
		s.authorities[args[1]] = ca
	}
	leaf, err := certs.Issue(ca, certs.Leaf{Secret: args[0], Name: args[0], Hosts: args[2:], Client: true}, time.Now())
	if err != nil {
		return "", err
	}
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]string{"name": args[0]},
		"data": map[string][]byte{"cert.pem": leaf.Cert, "key.pem": leaf.Key, "ca.pem": ca.Cert},
	})
	if err != nil {
		return "", err
	}
	return s.create(string(secret))
}
