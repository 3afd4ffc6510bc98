package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/clock"
)

const (
	// eventLanes is how many events are written at the same time. Those of one object take turns in one lane.
	eventLanes = 4
	// maxPending bounds the events of a lane that wait for the API server. An outage of hours is not worth the memory
	// of all that was said meanwhile; the log has it.
	maxPending = 10_000
	// maxMessage is the longest message that every API for events takes, in bytes.
	maxMessage = 1024
	// maxEventName leaves room for what makes the name of an event unique, of the 253 characters that there are.
	maxEventName = 200
	// eventGrace is how long the last events may take when the process stops.
	eventGrace = 3 * time.Second
	// firstEventRetry and lastEventRetry bound the pause after a write that failed, which doubles each time.
	firstEventRetry = 50 * time.Millisecond
	lastEventRetry  = 5 * time.Second
)

// eventWriter writes every event that it is told, in the order of each object. The client library's recorder throws
// away what comes too fast and merges what looks alike, which is the middle of an ordinary rollout. Here only a sentence
// that is said twice in a row becomes one event, with a count.
type eventWriter struct {
	client  typedcorev1.EventsGetter
	clock   clock.PassiveClock
	log     *slog.Logger
	written func(result string)

	lanes   [eventLanes]*eventLane
	named   atomic.Int64 // what made the newest name unique
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

// eventLane is a queue and the goroutine that empties it.
type eventLane struct {
	mu      sync.Mutex
	pending []*corev1.Event
	closed  bool
	more    chan struct{} // holds a token while somebody should look

	gone []types.NamespacedName // objects to forget

	// last is the newest event of each object. It belongs to the lane's goroutine.
	last map[types.NamespacedName]*corev1.Event
}

// Results of writing an event.
const (
	eventWritten = "written"
	eventFailed  = "failed"
	eventDropped = "dropped"
)

func newEventWriter(client typedcorev1.EventsGetter, clock clock.PassiveClock, log *slog.Logger, written func(result string)) *eventWriter {
	w := &eventWriter{client: client, clock: clock, log: log, written: written}
	w.ctx, w.stop = context.WithCancel(context.Background())
	for i := range w.lanes {
		lane := &eventLane{more: make(chan struct{}, 1), last: map[types.NamespacedName]*corev1.Event{}}
		w.lanes[i] = lane
		w.running.Go(func() { w.run(lane) })
	}
	return w
}

// write queues an event. It never waits.
func (w *eventWriter) write(about *corev1.ObjectReference, eventType, reason, message string) {
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "")
	}
	now := w.clock.Now()
	e := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: about.Namespace,
			Name:      fmt.Sprintf("%.*s.%x", maxEventName, about.Name, w.unique()),
		},
		InvolvedObject: *about, Type: eventType, Reason: reason, Message: message, Count: 1,
		FirstTimestamp: metav1.NewTime(now), LastTimestamp: metav1.NewTime(now),
		Source: corev1.EventSource{Component: component}, ReportingController: component,
	}
	lane := w.lane(types.NamespacedName{Namespace: about.Namespace, Name: about.Name})
	lane.mu.Lock()
	full := lane.closed || len(lane.pending) >= maxPending
	if !full {
		lane.pending = append(lane.pending, e)
	}
	lane.mu.Unlock()
	if full {
		w.written(eventDropped)
		w.log.Warn("event not written: too many wait for the API server", "canary", about.Name+"."+about.Namespace, "event", message)
	}
	lane.wake()
}

// forget drops what is kept of an object that is no more.
func (w *eventWriter) forget(about types.NamespacedName) {
	lane := w.lane(about)
	lane.mu.Lock()
	defer lane.mu.Unlock()
	lane.gone = append(lane.gone, about)
}

// unique is a number that no other event has: the time, or the next moment after the last that was given out.
func (w *eventWriter) unique() int64 {
	for {
		last := w.named.Load()
		if n := max(time.Now().UnixNano(), last+1); w.named.CompareAndSwap(last, n) {
			return n
		}
	}
}

// close writes what waits, for a while, and ends.
func (w *eventWriter) close() {
	for _, lane := range w.lanes {
		lane.mu.Lock()
		lane.closed = true
		lane.mu.Unlock()
		lane.wake()
	}
	timer := time.AfterFunc(eventGrace, w.stop)
	defer timer.Stop()
	w.running.Wait()
	w.stop()
}

func (w *eventWriter) lane(about types.NamespacedName) *eventLane {
	h := fnv.New32a()
	h.Write([]byte(about.String()))
	return w.lanes[h.Sum32()%eventLanes]
}

func (l *eventLane) wake() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// next returns the oldest event that waits; nil for none. over says that there will be none any more.
func (l *eventLane) next() (e *corev1.Event, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, about := range l.gone {
		delete(l.last, about)
	}
	l.gone = nil
	if len(l.pending) == 0 {
		return nil, l.closed
	}
	e = l.pending[0]
	l.pending[0] = nil // for the garbage collector: the array lives on
	l.pending = l.pending[1:]
	return e, false
}

func (w *eventWriter) run(l *eventLane) {
	for {
		e, over := l.next()
		switch {
		case over:
			return
		case e != nil:
			w.deliver(l, e)
			continue
		}
		select {
		case <-l.more:
		case <-w.ctx.Done():
			return
		}
	}
}

// deliver writes an event, again and again until it is written or never will be.
func (w *eventWriter) deliver(l *eventLane, e *corev1.Event) {
	for pause := firstEventRetry; ; pause = min(2*pause, lastEventRetry) {
		err := w.send(l, e)
		switch {
		case err == nil:
			w.written(eventWritten)
			return
		case w.ctx.Err() != nil || hopeless(err):
			w.written(eventFailed)
			w.log.Warn("event not written", "canary", e.InvolvedObject.Name+"."+e.Namespace, "event", e.Message, "error", err.Error())
			return
		}
		select {
		case <-time.After(pause):
		case <-w.ctx.Done():
		}
	}
}

// send creates an event, or counts the one before if that said the same.
func (w *eventWriter) send(l *eventLane, e *corev1.Event) error {
	about := types.NamespacedName{Namespace: e.Namespace, Name: e.InvolvedObject.Name}
	if before := l.last[about]; before != nil && saysTheSame(before, e) {
		patch, err := json.Marshal(map[string]any{"count": before.Count + 1, "lastTimestamp": e.LastTimestamp})
		if err != nil {
			return err
		}
		_, err = w.client.Events(e.Namespace).Patch(w.ctx, before.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err == nil {
			before.Count++
			return nil
		}
		if !apierrors.IsNotFound(err) { // it has expired
			return err
		}
	}
	_, err := w.client.Events(e.Namespace).Create(w.ctx, e, metav1.CreateOptions{})
	if err == nil || apierrors.IsAlreadyExists(err) { // an answer that got lost: the name is ours alone
		l.last[about] = e
		return nil
	}
	return err
}

func saysTheSame(a, b *corev1.Event) bool {
	return a.InvolvedObject.UID == b.InvolvedObject.UID && a.Type == b.Type && a.Reason == b.Reason && a.Message == b.Message
}

// hopeless tells whether an error stays, however often it is tried: a namespace that goes, a right that is missing.
func hopeless(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) ||
		apierrors.IsRequestEntityTooLargeError(err)
}
