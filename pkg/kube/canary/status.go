package canary

import (
	"context"
	"encoding/json"
	"fmt"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// writeStatus records the plan. It fails with a conflict if the Canary is not the one that the plan was made from, and
// sends only what changed, so that fields that we do not know stay. It says whether there was anything to write.
func (s *store) writeStatus(ctx context.Context, c *canaryv1beta1.Canary, status *canaryv1beta1.CanaryStatus) (bool, error) {
	before, err := plain(&c.Status)
	if err != nil {
		return false, err
	}
	after, err := plain(status)
	if err != nil {
		return false, err
	}
	patch, differs := mergePatch(before, after)
	if !differs {
		return false, nil
	}
	_, err = s.patchStatus(ctx, canaryObject(c), map[string]any{
		"metadata": map[string]any{"resourceVersion": c.ResourceVersion, "uid": string(c.UID)},
		"status":   patch,
	})
	if err != nil {
		return false, fmt.Errorf("record the status: %w", err)
	}
	return true, nil
}

// plain is a value as JSON sees it.
func plain(v any) (map[string]any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return out, nil
}

func canaryObject(c *canaryv1beta1.Canary) object {
	return object{kindCanary, keyOf(c)}
}
