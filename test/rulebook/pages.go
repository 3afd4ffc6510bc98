package rulebook

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-mesh/sluice/pkg/validate"
)

// Pages gives the pages by file name. cases is the directory with a directory of cases for each rule.
func Pages(cases string) (map[string]string, error) {
	pages := map[string]string{}
	var index strings.Builder
	fmt.Fprint(&index, head)
	for _, rule := range validate.Rules() {
		page, err := pageOf(rule, filepath.Join(cases, rule.ID))
		if err != nil {
			return nil, err
		}
		pages[rule.ID+".md"] = page
		fmt.Fprintf(&index, "| [%s](%[1]s.md) | %s | %s | %s | %s |\n", rule.ID, severity(rule.Worst), strings.Join(rule.Kinds, ", "), places(rule.Speaks), rule.Why)
	}
	pages["README.md"] = index.String()
	return pages, nil
}

const head = `# The rulebook

What ` + "`kubectl apply`" + ` is told or refused, what ` + "`kubectl sluice lint`" + ` finds in files and in clusters, and what keeps a rollout from
starting: one set of rules. Ids that begin with SL are Sluice's own, those with AM are App Mesh's, in its own words.

An error refuses, a warning tells; what a finding is depends on the case, and the table has the worst. An update is refused only for what it
makes worse. An object lets a rule pass by the annotation ` + "`sluice.dev/exempt`" + `, which gives the reason:

` + "```yaml" + `
metadata:
  annotations:
    sluice.dev/exempt: "SL004: one pod is enough here; SL040: judged by hand"
` + "```" + `

Where it speaks:

- **apply**: the webhook, at each change of an object of the kinds in the table.
- **lint**: ` + "`kubectl sluice lint`" + `, on files and on clusters.
- **audit**: in the background, for each Canary and what its release depends on. The condition ` + "`Consistent`" + ` of the Canary has the
  ids and the first sentences, and the metric ` + "`sluice_canary_findings`" + ` counts them. False means that the next rollout would not start.
- **start of a rollout**: an error keeps it from starting, and event and status say so. A reference that leads nowhere is a warning before,
  since it may still come, and an error there.

The owners of a cluster change severities, or switch to warnings only, by flags: [more](../admission.md#what-the-rulebook-may-refuse).

| rule | worst | kinds | where it speaks | why |
| --- | --- | --- | --- | --- |
`

func severity(s validate.Severity) string {
	if s == validate.Deny {
		return "error"
	}
	return "warning"
}

// places spells where a rule speaks.
func places(speaks validate.Place) string {
	var out []string
	for _, place := range []struct {
		place validate.Place
		name  string
	}{{validate.Admission, "apply"}, {validate.Lint, "lint"}, {validate.Audit, "audit"}, {validate.RolloutStart, "start of a rollout"}} {
		if speaks&place.place != 0 {
			out = append(out, place.name)
		}
	}
	return strings.Join(out, ", ")
}

// pageOf writes the page of one rule.
func pageOf(rule validate.Rule, dir string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s.\n\nAt worst it is %s. It looks at %s, and speaks at: %s.\n", rule.ID, capital(rule.Why), article(severity(rule.Worst)), strings.Join(rule.Kinds, ", "), places(rule.Speaks))
	bad, err := first(dir, "bad")
	if err != nil {
		return "", err
	}
	if bad == "" {
		return b.String(), nil // its cases are elsewhere: it speaks while an object is completed or deleted
	}
	said, err := os.ReadFile(strings.TrimSuffix(bad, ".yaml") + ".out.txt")
	if err != nil {
		return "", err
	}
	if err := example(&b, "Wrong", bad); err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "\n```text\n%s```\n", said)
	good, err := first(dir, "good")
	if err != nil {
		return "", err
	}
	return b.String(), example(&b, "Right", good)
}

func article(severity string) string {
	if severity == "error" {
		return "an error"
	}
	return "a " + severity
}

func capital(sentence string) string { return strings.ToUpper(sentence[:1]) + sentence[1:] }

// first finds the plainest case of a kind: the one with the shortest name. It is empty when there is none.
func first(dir, kind string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, kind+"*.yaml"))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return slices.MinFunc(found, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }), nil
}

// example prints a case: its first line says what it shows.
func example(b *strings.Builder, title, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	why, manifest, _ := strings.Cut(string(text), "\n")
	for strings.HasPrefix(manifest, "#") {
		_, manifest, _ = strings.Cut(manifest, "\n") // what the tests want to know
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n```yaml\n%s```\n", title, strings.TrimPrefix(why, "# "), strings.TrimPrefix(manifest, "---\n"))
	return nil
}
