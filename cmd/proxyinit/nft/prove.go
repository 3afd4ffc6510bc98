package nft

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject/redirect"
)

// patience is how long a connection inside the pod may take. Without the rules it is refused at once.
const patience = 2 * time.Second

// Missing is a family without redirection, as Prove found.
type Missing struct {
	Family redirect.Family
	Cause  error
}

func (m *Missing) Error() string {
	return fmt.Sprintf("no redirection in table %s %s: %v", m.Family.Keyword, redirect.Table, m.Cause)
}

func (m *Missing) Unwrap() error { return m.Cause }

// Prove finds out whether the tables are in force, and takes no capability: a connection to sluice.ProofPort arrives at
// sluice.ProofListener only by their rules. The error is a *Missing, or that the question could not be asked.
func Prove(tables []redirect.Ruleset) error {
	for _, r := range tables {
		if !r.Enabled || r.Family == redirect.IPv6 && !reachable(r.Family, net.InterfaceAddrs) {
			continue
		}
		if err := prove(r.Family); err != nil {
			return err
		}
	}
	return nil
}

func prove(f redirect.Family) error {
	host := "127.0.0.1"
	if f == redirect.IPv6 {
		host = "::1"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(sluice.ProofListener)))
	if err != nil {
		return fmt.Errorf("look for the redirection: %w: port %d has to be free in the pod", err, sluice.ProofListener)
	}
	defer listener.Close()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(sluice.ProofPort)), patience)
	if err != nil {
		return &Missing{Family: f, Cause: err}
	}
	defer conn.Close()
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	for {
		arrived, err := listener.Accept()
		if err != nil { // somebody else listens there
			return &Missing{Family: f, Cause: fmt.Errorf("port %d of the pod is in use: %w", sluice.ProofPort, err)}
		}
		arrived.Close()
		if arrived.RemoteAddr().String() == conn.LocalAddr().String() {
			return nil
		}
	}
}
