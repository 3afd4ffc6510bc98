package main

import (
	"log/slog"
	"time"

	"github.com/sluice-mesh/sluice/pkg/envoy/peer"
	"github.com/sluice-mesh/sluice/pkg/notify/signature"
)

// signer signs hooks with the certificate by which mesh knows this process, so that a load tester knows it too. Without a
// certificate hooks go out as they are, and only those fail whose receiver wants more.
func (c config) signer(log *slog.Logger) func(signature.Request) string {
	identity, err := peer.LoadIdentity(c.certDir, log)
	if err != nil {
		log.Warn("hooks are not signed: a load tester that wants them to be refuses its tasks", "error", err.Error())
		return func(signature.Request) string { return "" }
	}
	return func(r signature.Request) string {
		certificate, err := identity.Certificate()
		if err == nil {
			var header string
			if header, err = signature.Sign(certificate, r, time.Now()); err == nil {
				return header
			}
		}
		log.Warn("hook not signed", "path", r.Path, "error", err.Error())
		return ""
	}
}
