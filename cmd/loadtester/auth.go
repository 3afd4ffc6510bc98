package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/sluice-mesh/sluice/pkg/notify/signature"
)

// Ways of -auth.
const (
	// authAuto asks for signatures where there is an authority to check them by.
	authAuto = "auto"
	// authRequired asks for them always, authOff never.
	authRequired = "required"
	authOff      = "off"
)

// doorkeeper knows who may run commands and move gates: the canary process, whose requests are signed, and whoever is in
// the pod: by kubectl exec or port-forward, which the API server has authorised.
type doorkeeper struct {
	// caFile holds the authorities; empty lets everybody in.
	caFile string
	// careless says that everybody is let in because nobody said otherwise.
	careless bool
	// sender is the name in the canary process's certificate.
	sender string
	now    func() time.Time
}

// newDoorkeeper decides what auto means, once: a file that vanishes later must not open the door.
func newDoorkeeper(mode, caFile, sender string) (doorkeeper, error) {
	d := doorkeeper{caFile: caFile, sender: sender, now: time.Now}
	switch mode {
	case authOff:
		d.caFile = ""
		return d, nil
	case authRequired:
		_, err := d.authorities()
		return d, err
	case authAuto:
		if _, err := os.Stat(caFile); errors.Is(err, os.ErrNotExist) {
			d.caFile, d.careless = "", true
			return d, nil
		}
		_, err := d.authorities()
		return d, err
	}
	return d, fmt.Errorf("-auth: %q is none of %s, %s, %s", mode, authAuto, authRequired, authOff)
}

// authorities are read anew each time: they are replaced while we run, and requests are few.
func (d doorkeeper) authorities() (*x509.CertPool, error) {
	pem, err := os.ReadFile(d.caFile)
	if err != nil {
		return nil, fmt.Errorf("read the authority of the canary process: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the authority of the canary process: %s holds no certificate", d.caFile)
	}
	return pool, nil
}

// refuses says why a request must not be served; nil if it may.
func (d doorkeeper) refuses(r *http.Request, body []byte) error {
	if d.caFile == "" || fromThisPod(r) {
		return nil
	}
	pool, err := d.authorities()
	if err != nil {
		return err
	}
	trust := signature.Trust{Authorities: pool, Sender: d.sender}
	if err := trust.Verify(r.Header.Get(signature.Header), signature.Request{Path: r.URL.Path, Body: body}, d.now()); err != nil {
		return fmt.Errorf("unauthorized: %w; tasks and gates are for the canary process, which signs its hooks, and for whoever is in this pod "+
			"(kubectl exec, kubectl port-forward, kubectl sluice gate)", err)
	}
	return nil
}
