package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sluice-mesh/sluice/test/e2e/walkthrough"
)

// narrator prints the story: chapters, what the engine says, and a line for each change of weight or phase.
type narrator struct {
	out   io.Writer
	began time.Time
	load  *walkthrough.Load

	mu       sync.Mutex
	chapters int
	last     string
}

func (n *narrator) chapter(title string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.chapters++
	fmt.Fprintf(n.out, "\n%s\n", bold(fmt.Sprintf("%d. %s", n.chapters, title)))
}

func (n *narrator) say(format string, args ...any) {
	n.print(fmt.Sprintf(format, args...))
}

// message is one line of the engine's log.
func (n *narrator) message(msg string) {
	n.print("  " + msg)
}

// state draws one change of the Canary.
func (n *narrator) state(s walkthrough.State) {
	if s.Phase == "" {
		return
	}
	line := fmt.Sprintf("%-12s %3d %% %s", s.Phase, s.Weight, bar(s.Weight))
	if s.Failed > 0 {
		line += fmt.Sprintf("  failed checks %d", s.Failed)
	}
	for _, m := range s.Metrics {
		line += fmt.Sprintf("  %s %s", strings.TrimPrefix(m.Name, "request-"), m.Value)
	}
	n.mu.Lock()
	same := line == n.last
	n.last = line
	n.mu.Unlock()
	if !same {
		n.print(bold(line) + n.share())
	}
}

// share says what the client outside saw lately.
func (n *narrator) share() string {
	if n.load == nil {
		return ""
	}
	as := n.load.Between(time.Now().Add(-3*time.Second), time.Now())
	if len(as) == 0 {
		return ""
	}
	text := "  client:"
	for _, v := range []string{walkthrough.First, walkthrough.Good, walkthrough.Bad} {
		if k := as.Of(v); k > 0 {
			text += fmt.Sprintf(" %s %.0f %%", v, 100*float64(k)/float64(len(as)))
		}
	}
	if k := len(as.Failures()); k > 0 {
		text += fmt.Sprintf(" failed %d", k)
	}
	return text
}

func (n *narrator) print(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.out, "%4ds %s\n", int(time.Since(n.began).Seconds()), text)
}

func (n *narrator) farewell(c *walkthrough.Cluster, url string) {
	n.chapter("Both seen: the promotion and the rollback")
	env := ""
	if c.Kubeconfig != "" {
		env = "export KUBECONFIG=$(make kubeconfig)"
	}
	fmt.Fprintf(n.out, `
Look further:
  %s
  kubectl -n demo get canaries --watch
  kubectl -n demo describe canary podinfo
  kubectl -n sluice-system logs deploy/sluice-canary -f | jq .msg
  kubectl -n demo set image deployment/podinfo podinfo=ghcr.io/stefanprodan/podinfo:%s
  curl %s
Take it down:
  %s
`, env, walkthrough.First, url, map[bool]string{true: "make cluster-down", false: "kubectl delete -k config/demo && kubectl delete -k config/default"}[env != ""])
}

// bar draws a weight in steps of five percent.
func bar(weight int) string {
	full := min(max(weight, 0), 100) / 5
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", 20-full) + "]"
}

// bold only where a person reads it.
func bold(s string) string {
	if info, err := os.Stdout.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getenv("NO_COLOR") != "" {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}
