package certs

import (
	"bytes"
	"encoding/pem"
	"time"
)

// DefaultPause is how long a step of a rotation waits after everybody was told of the one before. Told is not the same
// as using it: a changed Secret or ConfigMap reaches the files of a pod within two minutes, and a sidecar's bundle goes
// through two such hops, one to mesh and one from there.
const DefaultPause = 10 * time.Minute

// Authority is what the Secret of our authority says: who signs, who is trusted, and how far a rotation is.
//
//	             signs   trusted      a leaf of    then, after a pause
//	steady       A       A            A            (when A is old, or somebody asks)
//	announced    A       A, B         A            everybody trusts B before anything of B's is served
//	switched     B       B, A         B            nothing of A's is served any more
//	retired      B       B            B            steady again
type Authority struct {
	// Pair signs. Its Bundle holds everything that is trusted.
	Pair
	// Next is trusted but signs nothing yet; it is empty unless a rotation was announced.
	Next Pair
	// Settled is since when every copy of the bundle is this one and every leaf is the signer's; zero if one is not yet.
	// Outside of a rotation it is not kept.
	Settled time.Time
	// Asked tells that somebody wants a rotation although the authority is young.
	Asked bool
}

// Step is one step of a rotation, as it appears in logs.
type Step string

// The steps, in their order.
const (
	Stay     Step = ""
	Announce Step = "a second authority is trusted from now on; it signs nothing yet"
	Switch   Step = "the second authority signs from now on; the first is still trusted"
	Retire   Step = "the first authority is not trusted any more"
)

// NextStep says which step of a rotation is due. If none is, the time says when to ask again; it is zero if that depends
// on others being told first.
func (a Authority) NextStep(now time.Time, pause time.Duration) (Step, time.Time) {
	if !a.Rotating() {
		cert, err := a.parse()
		if err != nil {
			return Stay, time.Time{} // JudgeAuthority has a word for it
		}
		if due := Due(cert.Leaf); !a.Asked && now.Before(due) {
			return Stay, due
		}
		return Announce, now
	}
	if a.Settled.IsZero() {
		return Stay, time.Time{}
	}
	if next := a.Settled.Add(pause); now.Before(next) {
		return Stay, next
	}
	if len(a.Next.Cert) > 0 {
		return Switch, now
	}
	return Retire, now
}

// Repaired mends what somebody did to the Secret, and says what that was; nothing if nothing was done.
func (a Authority) Repaired() (Authority, string) {
	whole := Authority{Pair: a.Pair, Next: a.Next, Asked: a.Asked}
	if !holds(a.Bundle, a.Cert) {
		whole.Bundle = join(a.Cert, a.Bundle)
		return whole, "the bundle did not hold the signer, without which nothing verifies"
	}
	if len(a.Next.Cert)+len(a.Next.Key) == 0 {
		return a, ""
	}
	if _, err := a.Next.parse(); err != nil {
		whole.Next, whole.Bundle = Pair{}, a.Cert
		return whole, "the second authority cannot be read, so the rotation is given up"
	}
	if !holds(a.Bundle, a.Next.Cert) {
		whole.Bundle = join(a.Bundle, a.Next.Cert)
		return whole, "the bundle did not hold the second authority"
	}
	return a, ""
}

// Rotating tells that more than the signer is trusted.
func (a Authority) Rotating() bool { return len(a.Next.Cert) > 0 || certificates(a.Bundle) > 1 }

// Take returns the authority after a step. fresh is the second authority, which only Announce uses.
func (a Authority) Take(step Step, fresh Pair) Authority {
	switch step {
	case Announce:
		return Authority{Pair: Pair{a.Cert, a.Key, join(a.Cert, fresh.Cert)}, Next: fresh}
	case Switch:
		return Authority{Pair: Pair{a.Next.Cert, a.Next.Key, join(a.Next.Cert, a.Cert)}, Asked: a.Asked}
	case Retire:
		return Authority{Pair: Pair{a.Cert, a.Key, a.Cert}, Asked: a.Asked}
	}
	return a
}

func join(first, second []byte) []byte { return append(bytes.Clone(first), second...) }

// certificates counts those of a bundle.
func certificates(bundle []byte) int {
	n := 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		n++
	}
	return n
}
