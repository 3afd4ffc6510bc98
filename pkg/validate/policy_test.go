package validate

import (
	"flag"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/sluice-mesh/sluice/pkg/canary"
)

// TestAPolicyByFlags: processes and commands read the same flags alike.
func TestAPolicyByFlags(t *testing.T) {
	for name, tc := range map[string]struct {
		args   []string
		want   Policy
		labels []string
		err    string
	}{
		"none":         {labels: canary.SelectorLabels},
		"warn only":    {args: []string{"--warn-only"}, want: Policy{WarnOnly: true}, labels: canary.SelectorLabels},
		"severities":   {args: []string{"--rule=SL004=Deny", "--rule=SL011=Off", "--rule=AM003=Warn"}, want: Policy{Severities: map[string]Severity{"SL004": Deny, "SL011": Off, "AM003": Warn}}, labels: canary.SelectorLabels},
		"other labels": {args: []string{"--selector-labels=team, app"}, labels: []string{"team", "app"}},
		"no such rule": {args: []string{"--rule=SL999=Warn"}, err: `there is no rule "SL999"; the ids are those of docs/rules, such as SL004`},
		"loud":         {args: []string{"--rule=SL004=Loud"}, err: `"Loud" is no severity of SL004; write SL004=Deny, SL004=Warn or SL004=Off`},
		"nothing said": {args: []string{"--rule=SL004"}, err: `"" is no severity of SL004; write SL004=Deny, SL004=Warn or SL004=Off`},
		"completing":   {args: []string{"--rule=AM016=Off"}, err: "AM016 says why an object cannot be completed, and one that is stored without can never be; it has no other severity, so leave it out"},
	} {
		t.Run(name, func(t *testing.T) {
			process, command := flag.NewFlagSet("", flag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
			process.SetOutput(io.Discard)
			for flags, parse := range map[Flags]func([]string) error{process: process.Parse, command: command.Parse} {
				var got Policy
				var labels []string
				got.Register(flags)
				RegisterSelectorLabels(flags, &labels)
				err := parse(tc.args)
				if tc.err != "" {
					if err == nil || !hasSuffix(err.Error(), tc.err) {
						t.Errorf("got %v, want %s", err, tc.err)
					}
					continue
				}
				if err != nil || !cmp.Equal(got, tc.want) || !cmp.Equal(labels, tc.labels) {
					t.Errorf("%v: got %+v %v, want %+v %v", err, got, labels, tc.want, tc.labels)
				}
			}
		})
	}
}

func hasSuffix(text, suffix string) bool {
	return len(text) >= len(suffix) && text[len(text)-len(suffix):] == suffix
}

// TestAPolicyJudges: what the owners of a cluster say counts at every place, and an update is still refused only for what
// it makes worse.
func TestAPolicyJudges(t *testing.T) {
	severities := func(f fixture) string {
		got := ""
		for _, finding := range judge(t, f) {
			got += finding.Rule + " " + string(finding.Severity) + "\n"
		}
		return got
	}
	for name, tc := range map[string]struct {
		file   string
		policy Policy
		same   bool // an update that changes nothing
		at     Place
		want   string
	}{
		"as it is":            {file: "SL004/bad.yaml", want: "SL004 Warning\n"},
		"stricter":            {file: "SL004/bad.yaml", policy: Policy{Severities: map[string]Severity{"SL004": Deny}}, want: "SL004 Denied\n"},
		"stricter, and there": {file: "SL004/bad.yaml", policy: Policy{Severities: map[string]Severity{"SL004": Deny}}, same: true, want: "SL004 Warning\n"},
		"off":                 {file: "SL004/bad.yaml", policy: Policy{Severities: map[string]Severity{"SL004": Off}}},
		"milder":              {file: "SL018/bad.yaml", policy: Policy{Severities: map[string]Severity{"SL018": Warn}}, want: "SL018 Warning\nSL019 Denied\n"},
		"warn only":           {file: "SL018/bad.yaml", policy: Policy{WarnOnly: true}, want: "SL018 Warning\nSL019 Warning\n"},
		"warn only wins":      {file: "SL004/bad.yaml", policy: Policy{WarnOnly: true, Severities: map[string]Severity{"SL004": Deny}}, want: "SL004 Warning\n"},
		"at the start":        {file: "SL002/bad-start.yaml", policy: Policy{WarnOnly: true}, want: "SL002 Warning\n"},
		"a deletion":          {file: "SL015/bad-delete.yaml", policy: Policy{WarnOnly: true}, want: "SL015 Warning\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := read(t, "testdata/"+tc.file)
			f.world.Policy = tc.policy
			if tc.same {
				f.old = f.new
			}
			if got := severities(f); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestSelectorLabelsAreThoseOfTheEngine: SL026 and SL027 go by the labels that the canary process was told.
func TestSelectorLabelsAreThoseOfTheEngine(t *testing.T) {
	f := read(t, "testdata/SL026/bad.yaml") // selects by tier: front
	f.world.SelectorLabels = []string{"team", "tier"}
	if findings := judge(t, f); len(findings) > 0 {
		t.Errorf("tier tells versions apart, and yet:\n%s", lines(findings))
	}
	f.world.SelectorLabels = []string{"team"}
	if got := lines(judge(t, f)); !cmp.Equal(got, "Warning: spec.targetRef: SL026: Deployment \"podinfo\" selects its pods by none of the labels team, so its two versions could not be told apart; make it anew with one of them, such as team: podinfo\n") {
		t.Errorf("got %s", got)
	}
}
