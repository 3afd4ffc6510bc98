package certs

import (
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"time"
)

// Reason says why something has to be issued; the empty reason means that what is there is good.
type Reason string

// The reasons, as they appear in logs.
const (
	Good         Reason = ""
	Missing      Reason = "there is none yet"
	Unreadable   Reason = "the stored certificate and key cannot be read or do not belong together"
	Expired      Reason = "it is past two thirds of its life"
	NotAuthority Reason = "the stored certificate is not an authority"
	Foreign      Reason = "it was not signed by an authority that we trust"
	Superseded   Reason = "it was signed by the authority before the present one"
	OtherHosts   Reason = "it does not cover the names of its Service"
	OtherUse     Reason = "it is not good for what its process does with it"
)

// JudgeAuthority says whether a stored authority can sign.
// A usable but old authority is never replaced here: that would cut off everyone who trusts it. Authority.NextStep
// rotates it, and publishes the new one first.
func JudgeAuthority(stored Pair, now time.Time) Reason {
	if len(stored.Cert) == 0 && len(stored.Key) == 0 {
		return Missing
	}
	cert, err := stored.parse()
	switch {
	case err != nil:
		return Unreadable
	case !cert.Leaf.IsCA:
		return NotAuthority
	case !now.Before(cert.Leaf.NotAfter):
		return Expired
	}
	return Good
}

// JudgeLeaf says whether a stored leaf can go on, and if so until when.
func JudgeLeaf(stored Pair, authority Pair, leaf Leaf, now time.Time) (Reason, time.Time) {
	if len(stored.Cert) == 0 && len(stored.Key) == 0 {
		return Missing, now
	}
	cert, err := stored.parse()
	if err != nil {
		return Unreadable, now
	}
	due := Due(cert.Leaf)
	switch roots, ok := pool(authority.Bundle); {
	case !now.Before(due):
		return Expired, now
	case !ok || !signedBy(cert.Leaf, roots, now):
		return Foreign, now
	case !signedByOnly(cert.Leaf, authority.Cert, now):
		return Superseded, now
	case !covers(cert.Leaf, leaf.Hosts):
		return OtherHosts, now
	case leaf.Client && !slices.Contains(cert.Leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return OtherUse, now
	}
	return Good, due
}

// Due is when a certificate has spent two thirds of its life: late enough to be rare, early enough that an outage of
// weeks is survived.
func Due(cert *x509.Certificate) time.Time {
	life := cert.NotAfter.Sub(cert.NotBefore)
	return cert.NotBefore.Add(life / 3 * 2)
}

// signedBy reports whether the chain holds at this moment, for any use.
func signedBy(cert *x509.Certificate, roots *x509.CertPool, now time.Time) bool {
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// signedByOnly is signedBy with one authority.
func signedByOnly(cert *x509.Certificate, authority []byte, now time.Time) bool {
	roots, ok := pool(authority)
	return ok && signedBy(cert, roots, now)
}

// covers reports whether the certificate names every host; more names than asked for are fine.
func covers(cert *x509.Certificate, hosts []string) bool {
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			host = fmt.Sprintf("[%s]", ip) // the form in which VerifyHostname takes an address
		}
		if cert.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}
