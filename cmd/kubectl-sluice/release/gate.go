package release

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// The paths of a load tester where a release asks about its gates.
const (
	gateCheck     = "/gate/check"
	rollbackCheck = "/rollback/check"
)

// LoadTester is a load tester with a gate that a Canary asks.
type LoadTester struct {
	// URL is that of the webhooks, and Hooks are their names.
	URL   string
	Hooks []string
	url   *url.URL
}

// GatesOf finds the load testers whose gates a Canary's webhooks ask: those of /gate/check, or those of /rollback/check.
// others are the webhooks that people decide by and that ask somebody else.
func GatesOf(c *canaryv1beta1.Canary, rollback bool) (gates []LoadTester, others []string) {
	want := gateCheck
	if rollback {
		want = rollbackCheck
	}
	if c.Spec.Analysis == nil {
		return nil, nil
	}
	for _, w := range c.Spec.Analysis.Webhooks {
		u, err := url.Parse(w.URL)
		if err != nil || checkPath(u) != want {
			if slices.Contains(gateTypes, w.Type) {
				others = append(others, fmt.Sprintf("%s (%s)", w.URL, w.Name))
			}
			continue
		}
		i := slices.IndexFunc(gates, func(g LoadTester) bool { return g.url.Host == u.Host })
		if i < 0 {
			gates = append(gates, LoadTester{URL: w.URL, url: u})
			i = len(gates) - 1
		}
		gates[i].Hooks = append(gates[i].Hooks, w.Name)
	}
	return gates, others
}

// checkPath is the end of a URL that says which gate it asks about; empty if it asks about none.
func checkPath(u *url.URL) string {
	for _, path := range []string{gateCheck, rollbackCheck} {
		if strings.HasSuffix(strings.TrimRight(u.Path, "/"), path) {
			return path
		}
	}
	return ""
}

// IsGate tells whether a URL is that of a load tester's gate, which people open and close.
func IsGate(address string) bool {
	u, err := url.Parse(address)
	return err == nil && checkPath(u) != ""
}

// Path is where the load tester is asked to move the gate.
func (l LoadTester) Path(open bool) string {
	base := strings.TrimSuffix(strings.TrimRight(l.url.Path, "/"), "check")
	if open {
		return base + "open"
	}
	return base + "close"
}

// Service is a port of a Service.
type Service struct {
	Namespace, Name string
	Port            int
}

// Service reads from the URL which Service of the cluster the load tester is. A name without a namespace is looked for in
// that of the canary process, which is where it asks.
func (l LoadTester) Service(system string) (Service, error) {
	s := Service{Namespace: system, Port: 80}
	labels := strings.Split(l.url.Hostname(), ".")
	inCluster := len(labels) <= 2 || labels[2] == "svc"
	if !inCluster || labels[0] == "" {
		return s, fmt.Errorf("%s is no Service of this cluster; ask whoever runs it, or name its address with --address", l.url.Hostname())
	}
	if s.Name = labels[0]; len(labels) > 1 {
		s.Namespace = labels[1]
	}
	if l.url.Scheme == "https" {
		return s, fmt.Errorf("%s speaks TLS, which its pods do not with a port-forward; name an address that speaks plain HTTP with --address", l.URL)
	}
	if port := l.url.Port(); port != "" {
		n, err := strconv.Atoi(port)
		if err != nil {
			return s, fmt.Errorf("%s: port %s is no number", l.URL, port)
		}
		s.Port = n
	}
	return s, nil
}
