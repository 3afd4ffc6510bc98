package certs

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNextStep(t *testing.T) {
	first, second := mustAuthority(t, day0), mustAuthority(t, days(1))
	steady := Authority{Pair: first}
	announced := steady.Take(Announce, second)
	switched := announced.Take(Switch, Pair{})
	retired := switched.Take(Retire, Pair{})
	at := func(a Authority, settled time.Time) Authority { a.Settled = settled; return a }
	asked := func(a Authority) Authority { a.Asked = true; return a }

	const pause = 10 * time.Minute
	for name, c := range map[string]struct {
		authority Authority
		now       time.Time
		want      Step
		next      time.Time
	}{
		"young":                               {steady, days(1), Stay, day0.Add(-skew).Add((10*365*24*time.Hour + skew) / 3 * 2)},
		"past two thirds of its life":         {steady, days(2434), Announce, days(2434)},
		"young, but somebody asks":            {asked(steady), days(1), Announce, days(1)},
		"announced, not yet to everybody":     {announced, days(9), Stay, time.Time{}},
		"announced to everybody just now":     {at(announced, days(1)), days(1), Stay, days(1).Add(pause)},
		"announced and used by everybody":     {at(announced, days(1)), days(1).Add(pause), Switch, days(1).Add(pause)},
		"switched, but not everybody":         {switched, days(9), Stay, time.Time{}},
		"switched just now":                   {at(switched, days(2)), days(2).Add(pause - 1), Stay, days(2).Add(pause)},
		"switched for good":                   {at(switched, days(2)), days(2).Add(pause), Retire, days(2).Add(pause)},
		"steady again":                        {retired, days(2), Stay, days(1).Add(-skew).Add((10*365*24*time.Hour + skew) / 3 * 2)},
		"asked during a rotation: it ends":    {asked(at(switched, days(2))), days(3), Retire, days(3)},
		"asked during a rotation: then again": {asked(switched).Take(Retire, Pair{}), days(3), Announce, days(3)},
	} {
		t.Run(name, func(t *testing.T) {
			got, next := c.authority.NextStep(c.now, pause)
			if got != c.want || !next.Equal(c.next) {
				t.Errorf("got %q, again at %s; want %q, %s", got, next, c.want, c.next)
			}
		})
	}
	if !bytes.Equal(retired.Cert, second.Cert) || !bytes.Equal(retired.Bundle, second.Cert) || len(retired.Next.Cert) > 0 {
		t.Error("at the end of a rotation the second authority is not the only one")
	}
}

func TestRepaired(t *testing.T) {
	first, second := mustAuthority(t, day0), mustAuthority(t, days(1))
	announced := Authority{Pair: first}.Take(Announce, second)
	change := func(f func(*Authority)) Authority { a := announced; f(&a); return a }
	for name, c := range map[string]struct {
		stored  Authority
		trusted [][]byte
		next    bool
		reason  string
	}{
		"nothing happened":        {announced, [][]byte{first.Cert, second.Cert}, true, ""},
		"the signer was cut":      {change(func(a *Authority) { a.Bundle = second.Cert }), [][]byte{first.Cert, second.Cert}, true, "the bundle did not hold the signer, without which nothing verifies"},
		"the successor was cut":   {change(func(a *Authority) { a.Bundle = first.Cert }), [][]byte{first.Cert, second.Cert}, true, "the bundle did not hold the second authority"},
		"the successor's key too": {change(func(a *Authority) { a.Next.Key = nil }), [][]byte{first.Cert}, false, "the second authority cannot be read, so the rotation is given up"},
	} {
		t.Run(name, func(t *testing.T) {
			got, reason := c.stored.Repaired()
			if reason != c.reason || (len(got.Next.Cert) > 0) != c.next || certificates(got.Bundle) != len(c.trusted) {
				t.Errorf("reason %q, next %v, %d trusted", reason, len(got.Next.Cert) > 0, certificates(got.Bundle))
			}
			for _, cert := range c.trusted {
				if !holds(got.Bundle, cert) {
					t.Error("an authority is missing in the bundle")
				}
			}
			if again, reason := got.Repaired(); reason != "" || !bytes.Equal(again.Bundle, got.Bundle) {
				t.Errorf("repaired twice: %q", reason)
			}
		})
	}
}

// TestNobodyIsCutOff holds the law of rotation: whoever is behind by less than the pause, in what it trusts or in what it
// serves, still understands everybody else. Rounds come when they like, and any of their writes may be the last.
func TestNobodyIsCutOff(t *testing.T) {
	const pause = 10 * time.Minute
	authorities := []Pair{mustAuthority(t, day0)}
	for i := range 4 {
		authorities = append(authorities, mustAuthority(t, day0.Add(time.Duration(i+1)*time.Second)))
	}
	rapid.Check(t, func(t *rapid.T) {
		now, made := day0, 0
		authority := Authority{Pair: authorities[0]}
		leaf, bundle := authority.Cert, authority.Bundle // what the Secrets hold: who signed the leaf, and a copy of the bundle
		type copies struct {
			at           time.Time
			leaf, bundle []byte
		}
		history := []copies{{now, leaf, bundle}}
		for range 60 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(pause)).Draw(t, "time passes")))
			writes := rapid.IntRange(0, 4).Draw(t, "writes before the crash")
			write := func(f func()) bool {
				if writes == 0 {
					return false
				}
				writes--
				f()
				history = append(history, copies{now, leaf, bundle})
				return true
			}
			authority.Asked = authority.Asked || rapid.Bool().Draw(t, "somebody asks")
			if step, _ := authority.NextStep(now, pause); step != Stay {
				fresh := Pair{}
				if step == Announce {
					if made++; made == len(authorities) {
						return
					}
					fresh = authorities[made]
				}
				if !write(func() { authority = authority.Take(step, fresh) }) {
					continue
				}
			}
			if !bytes.Equal(bundle, authority.Bundle) && !write(func() { bundle = authority.Bundle }) {
				continue
			}
			if !bytes.Equal(leaf, authority.Cert) && !write(func() { leaf = authority.Cert }) {
				continue
			}
			if authority.Rotating() && authority.Settled.IsZero() {
				write(func() { authority.Settled = now })
			}
			understand(t, now, func(yield func(leaf, bundle []byte) bool) {
				for i, c := range history {
					// In use until its successor was there for a whole pause.
					if i+1 < len(history) && now.Sub(history[i+1].at) >= pause {
						continue
					}
					if !yield(c.leaf, c.bundle) {
						return
					}
				}
			})
		}
	})
}

// understand fails if a leaf in use was signed by somebody whom a bundle in use does not trust.
func understand(t *rapid.T, now time.Time, inUse func(func(leaf, bundle []byte) bool)) {
	t.Helper()
	inUse(func(signer, _ []byte) bool {
		inUse(func(_, bundle []byte) bool {
			if !holds(bundle, signer) {
				t.Fatalf("at %s a leaf may be served whose authority is not trusted by all", now)
			}
			return true
		})
		return true
	})
}

func TestShortLives(t *testing.T) {
	authority, err := newAuthority(day0, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	short := testLeaf
	short.Life = time.Minute
	leaf := mustIssue(t, authority, short, day0)
	reason, due := JudgeLeaf(leaf, authority, short, day0)
	if wait := due.Sub(day0); reason != Good || wait < 30*time.Second || wait > 45*time.Second {
		t.Errorf("a leaf of a minute is %q, and due in %s", reason, wait)
	}
	cert, err := leaf.parse()
	if err != nil {
		t.Fatal(err)
	}
	roots, _ := pool(authority.Bundle)
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: day0}); err != nil {
		t.Error(err)
	}
}
