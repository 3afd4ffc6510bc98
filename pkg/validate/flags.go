package validate

import (
	"fmt"
	"slices"
	"strings"

	engine "github.com/sluice-mesh/sluice/pkg/canary"
)

// Flags is what can be done with a set of command line flags, that of a process and that of a command of kubectl alike.
type Flags interface {
	// BoolVar adds a switch.
	BoolVar(p *bool, name string, value bool, usage string)
	// Func adds a flag whose every value is handed to a function.
	Func(name, usage string, set func(string) error)
}

// Register adds the flags of a policy. Whoever speaks by the rulebook in a cluster has the same ones, so that all of them
// can be given the same.
func (p *Policy) Register(flags Flags) {
	flags.BoolVar(&p.WarnOnly, "warn-only", false,
		"let the rulebook refuse nothing, and keep no rollout from starting: what it finds is told as a warning. For the first days of an installation")
	flags.Func("rule", "another severity for a rule in this cluster, as in SL004=Deny, SL026=Warn or SL011=Off; may be repeated", p.setSeverity)
}

// RegisterSelectorLabels adds the flag that says by which labels the versions of a target are told apart. Whoever judges
// targets needs the same as the canary process.
func RegisterSelectorLabels(flags Flags, to *[]string) {
	*to = slices.Clone(engine.SelectorLabels)
	usage := fmt.Sprintf("labels that can tell the pods of the target from those of the primary, separated by commas; of those that the target selects by, the first is used (default %s)",
		strings.Join(engine.SelectorLabels, ","))
	flags.Func("selector-labels", usage, func(text string) error {
		*to = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
		return nil
	})
}

// severities are the values of the flag.
var severities = map[string]Severity{"Deny": Deny, "Warn": Warn, "Off": Off}

// completing are rules without which an object could never become what it should be: they have no severity.
var completing = []string{"AM015", "AM016", "AM017"}

// setSeverity reads ID=SEVERITY.
func (p *Policy) setSeverity(text string) error {
	id, name, _ := strings.Cut(text, "=")
	severity, known := severities[name]
	switch _, rule := byID[id]; {
	case !rule:
		return fmt.Errorf("there is no rule %q; the ids are those of docs/rules, such as SL004", id)
	case !known:
		return fmt.Errorf("%q is no severity of %s; write %[2]s=Deny, %[2]s=Warn or %[2]s=Off", name, id)
	case slices.Contains(completing, id):
		return fmt.Errorf("%s says why an object cannot be completed, and one that is stored without can never be; it has no other severity, so leave it out", id)
	}
	if p.Severities == nil {
		p.Severities = map[string]Severity{}
	}
	p.Severities[id] = severity
	return nil
}
