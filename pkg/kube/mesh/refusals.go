package mesh

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

const (
	// refusalCheck is how often the replicas are asked what their proxies refuse.
	refusalCheck = 2 * time.Second
	// refusalTimeout bounds one question.
	refusalTimeout = 5 * time.Second
)

// Proxies knows the proxies of all replicas.
type Proxies interface {
	// Refused lists what they refuse. If a replica could not be asked the error says so, and the list is the others'.
	Refused(ctx context.Context) ([]mesh.Refusal, error)
}

// followRefusals tells whenever what proxies refuse has changed, until ctx is done.
func (w *writer) followRefusals(ctx context.Context, out chan<- []mesh.Refusal) {
	if w.config.Proxies == nil {
		return
	}
	tick := time.NewTicker(refusalCheck)
	defer tick.Stop()
	var told []mesh.Refusal
	complained := ""
	for {
		now, err := w.askRefusals(ctx)
		if complaint := textOf(err); complaint != complained && ctx.Err() == nil {
			w.log.Warn("ask the replicas what their proxies refuse", "error", complaint)
			complained = complaint
		}
		now = refusalsNow(told, now, err == nil)
		if !reflect.DeepEqual(now, told) {
			select {
			case <-ctx.Done():
				return
			case out <- now:
				told = now
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *writer) askRefusals(ctx context.Context) ([]mesh.Refusal, error) {
	ctx, cancel := context.WithTimeout(ctx, refusalTimeout)
	defer cancel()
	return w.config.Proxies.Refused(ctx)
}

// refusalsNow joins what was known with what the replicas say now. Unless all of them were asked nothing is over: the
// pods of a silent one come back to another, and only then is known whether they still refuse. It is pure.
func refusalsNow(before, now []mesh.Refusal, complete bool) []mesh.Refusal {
	if complete {
		return now
	}
	out := slices.Clone(now)
	for _, r := range before {
		if !slices.ContainsFunc(now, func(n mesh.Refusal) bool { return n.Pod == r.Pod && n.Resource == r.Resource }) {
			out = append(out, r)
		}
	}
	return out
}

// textOf is the text of an error; none of none.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
