package canary

import (
	"context"

	"github.com/sluice-mesh/sluice/pkg/canary"
)

// seeRules asks the rulebook: what slipped past admission never starts, and the condition Consistent says so before.
func (s *shell) seeRules(ctx context.Context, v *view) error {
	v.obs.Consistency = s.rulebook.Of(keyOf(v.canary))
	if !canary.MayStart(v.canary) {
		return nil
	}
	v.obs.Blockers = append(s.rulebook.Blockers(v.canary), s.unaskable(ctx, v.canary)...)
	return nil
}
