package release

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// Headings are those of Row.
func Headings(style Style, namespaces bool) []string {
	row := []string{"NAME", "PHASE", "STEP", "WEIGHT", "FAILED", "NEXT CHECK", "CHANGED", "WHY"}
	if style.Wide {
		row = append(row[:len(row)-1], "SUSPENDED", "GATE", "PROBLEMS", "WHY")
	}
	if namespaces {
		row = append([]string{"NAMESPACE"}, row...)
	}
	return row
}

// Row is a view in a table. Where ages are not wanted, times are those of the clock.
func (v View) Row(style Style, namespaces bool) []string {
	row := []string{
		v.Name, cmp.Or(string(v.Phase), "-"), fmt.Sprintf("%d/%d", v.Step, v.Steps), fmt.Sprintf("%d%%", v.Weight),
		fmt.Sprintf("%d/%d", v.Checks.Failed, v.Checks.Threshold), style.when(v.Checks.Next), style.when(v.Changed),
	}
	if style.Wide {
		gate := "-"
		for _, g := range v.Gates {
			if g.Waiting {
				gate = g.Name
			}
		}
		row = append(row, fmt.Sprint(v.Suspended), gate, fmt.Sprint(len(v.Problems)))
	}
	if namespaces {
		row = append([]string{v.Namespace}, row...)
	}
	return append(row, v.Why)
}

// when is a time in a column.
func (s Style) when(at metav1.Time) string {
	switch {
	case at.IsZero():
		return "-"
	case s.Now.IsZero():
		return clock(at)
	case at.After(s.Now):
		return "in " + duration.HumanDuration(at.Sub(s.Now))
	}
	return duration.HumanDuration(age(s.Now, at)) + " ago"
}
