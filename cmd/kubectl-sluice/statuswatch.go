package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

const (
	// gatherChanges is how long changes are gathered before they are drawn: a step changes several objects at once.
	gatherChanges = 100 * time.Millisecond
	// drawAges is how often a terminal is drawn anew when nothing changes, for the ages on it.
	drawAges = time.Second
)

// watchStatus shows every change until ctx is done.
func (s *shell) watchStatus(ctx context.Context, p *picture, o statusOptions) error {
	w := follow(ctx, p)
	told := map[string]bool{}
	for {
		w.into(p)
		if p.single && len(p.seen[roleCanary]) == 0 {
			s.note("the Canary was deleted")
			return nil
		}
		if err := s.draw(p, o, w.complaint(), told); err != nil {
			return err
		}
		var ages <-chan time.Time
		if _, _, terminal := terminalSize(s.Out); terminal {
			ages = time.After(drawAges)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ages:
		case <-w.changed:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(gatherChanges):
			}
		}
	}
}

// draw draws a terminal anew, or prints the lines that were not there the last time.
func (s *shell) draw(p *picture, o statusOptions, complaint string, told map[string]bool) error {
	views, style := p.views(), style(s.Out, o)
	if width, height, terminal := terminalSize(s.Out); terminal {
		lines := statusLines(views, p.single, style, o)
		if complaint != "" {
			lines = append(lines, paint(s.Out, yellow, "warning: "+complaint))
		}
		return redraw(s.Out, lines, width, height)
	}
	style.Now = time.Time{}
	var lines []string
	if p.single && len(views) == 1 {
		lines = views[0].Flat(style)
	} else {
		lines = statusLines(views, p.single, style, o)
	}
	if complaint != "" && !told[complaint] {
		s.warn(complaint)
	}
	before := make(map[string]bool, len(told))
	for line := range told {
		before[line] = true
	}
	clear(told)
	told[complaint] = true
	for _, line := range lines {
		told[line] = true
		if before[line] {
			continue
		}
		if _, err := fmt.Fprintln(s.Out, line); err != nil {
			return err
		}
	}
	return nil
}

// follower keeps a picture's parts up to date by watches.
type follower struct {
	changed   chan struct{} // holds a token while somebody should look
	informers map[role]cache.SharedIndexInformer

	mu   sync.Mutex
	lost string
}

func follow(ctx context.Context, p *picture) *follower {
	w := &follower{changed: make(chan struct{}, 1), informers: map[role]cache.SharedIndexInformer{}}
	for _, part := range p.parts {
		informer := dynamicinformer.NewFilteredDynamicInformer(p.client, part.resource, p.namespace, 0, cache.Indexers{},
			func(o *metav1.ListOptions) { o.FieldSelector = part.selector() }).Informer()
		w.informers[part.role] = informer
		// Both fail only on an informer that runs or has ended.
		_ = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) { w.complain(err) })
		_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { w.wake("") },
			UpdateFunc: func(any, any) { w.wake("") },
			DeleteFunc: func(any) { w.wake("") },
		})
		go informer.RunWithContext(ctx)
	}
	return w
}

// complain remembers that a watch ended. The library begins another.
func (w *follower) complain(err error) {
	if errors.Is(err, io.EOF) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return // watches end now and then
	}
	w.wake("the cluster does not tell of changes, and what is shown may be old: " + err.Error())
}

func (w *follower) wake(lost string) {
	w.mu.Lock()
	w.lost = lost
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *follower) complaint() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// into puts what the watches have seen into the picture; until one has begun, what was read before stays.
func (w *follower) into(p *picture) {
	for role, informer := range w.informers {
		if !informer.HasSynced() {
			continue
		}
		var found []*unstructured.Unstructured
		for _, o := range informer.GetStore().List() {
			if u, ok := o.(*unstructured.Unstructured); ok {
				found = append(found, u)
			}
		}
		p.seen[role] = found
	}
}
