package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sluice-mesh/sluice/test/cluster/process"
)

// State is what is there of a cluster.
type State struct {
	Exists  bool // files of one are there
	Daemons []DaemonState
	API     error // nil when the API server says it is ready
}

// DaemonState is one of the processes that Up started.
type DaemonState struct {
	Name  string
	PID   int
	Alive bool
}

// daemonCount is how many a whole cluster has.
const daemonCount = 8

// Healthy says whether it can be used.
func (s State) Healthy() bool {
	if !s.Exists || s.API != nil || len(s.Daemons) != daemonCount {
		return false
	}
	for _, d := range s.Daemons {
		if !d.Alive {
			return false
		}
	}
	return true
}

// String is for people.
func (s State) String() string {
	if !s.Exists {
		return "no cluster is running; start one with `cluster up`\n"
	}
	var b strings.Builder
	for _, d := range s.Daemons {
		state := "running"
		if !d.Alive {
			state = "ended, see " + LogDir() + "/" + d.Name + ".log"
		}
		fmt.Fprintf(&b, "%-26s %-9d %s\n", d.Name, d.PID, state)
	}
	if s.API != nil {
		fmt.Fprintf(&b, "the API server does not answer: %v\n", s.API)
	}
	if s.Healthy() {
		fmt.Fprintf(&b, "the cluster is running; its API is at %s\n", APIServer)
	} else {
		b.WriteString("the cluster is broken; `cluster up` starts it anew\n")
	}
	return b.String()
}

// Inspect looks at what is there, without changing anything.
func Inspect(ctx context.Context) (State, error) {
	if _, err := os.Stat(Dir); err != nil {
		return State{}, nil //nolint:nilerr // nothing there is an answer
	}
	all, err := process.Records(path("pids"))
	if err != nil {
		return State{}, err
	}
	s := State{Exists: true, API: ready(ctx)}
	for _, r := range all {
		s.Daemons = append(s.Daemons, DaemonState{Name: r.Name, PID: r.PID, Alive: r.Alive()})
	}
	return s, nil
}

// ready asks the API server itself; the path is open to everybody.
func ready(ctx context.Context) error {
	ca, err := os.ReadFile(path("pki", "ca.crt"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	client := http.Client{Timeout: 5 * time.Second, Transport: transport}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, APIServer+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it says %s", answer.Status)
	}
	return nil
}

// deadDaemons lists those that have ended, which none should.
func deadDaemons() []string {
	all, err := process.Records(path("pids"))
	if err != nil {
		return nil
	}
	var dead []string
	for _, r := range all {
		if !r.Alive() {
			dead = append(dead, r.Name)
		}
	}
	return dead
}
