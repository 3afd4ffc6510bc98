package admission_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-mesh/sluice/pkg/validate"
)

// TestTheOwnersOfAClusterHaveTheLastWord: with warn-only nothing is refused and all is told, and a rule has the severity
// that it was given.
func TestTheOwnersOfAClusterHaveTheLastWord(t *testing.T) {
	c := start(t)
	heard := &warnings{}
	kube := c.as(t, nil, heard)
	// Its only step is none (SL029, which refuses), and nothing judges it (SL040, which warns).
	try := func() (told string, err error) {
		canary := object(t, `{apiVersion: flagger.app/v1beta1, kind: Canary, metadata: {name: policy, namespace: default}, spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: x}, service: {port: 80}, analysis: {stepWeight: 0, maxWeight: 50, interval: 30s, threshold: 5}}}`)
		err = kube.Create(t.Context(), canary, client.DryRunAll)
		return heard.take(), err
	}
	t.Cleanup(func() {
		c.stop()
		c.policy = validate.Policy{}
	})
	for name, tc := range map[string]struct {
		policy               validate.Policy
		refuses, warns, mute []string
	}{
		"as it comes": {refuses: []string{"SL029"}, warns: []string{"SL040"}},
		"warn only":   {policy: validate.Policy{WarnOnly: true}, warns: []string{"SL029", "SL040"}},
		"severities": {
			policy:  validate.Policy{Severities: map[string]validate.Severity{"SL040": validate.Deny, "SL029": validate.Off}},
			refuses: []string{"SL040"}, mute: []string{"SL029"},
		},
	} {
		c.stop()
		c.policy = tc.policy
		c.serve(t)
		eventually(t, name, func() error {
			told, err := try()
			refused := fmt.Sprint(err)
			switch {
			case (err != nil) != (len(tc.refuses) > 0):
				return fmt.Errorf("got %w, told %s", errors.Join(err, errors.New("the answer")), told)
			case !has(refused, tc.refuses) || !has(told, tc.warns):
				return fmt.Errorf("refused: %s, told: %s", refused, told)
			}
			for _, id := range tc.mute {
				if strings.Contains(refused+told, id) {
					return fmt.Errorf("%s is off, and yet: %s %s", id, refused, told)
				}
			}
			return nil
		})
	}
}

func has(text string, ids []string) bool {
	for _, id := range ids {
		if !strings.Contains(text, id) {
			return false
		}
	}
	return true
}
