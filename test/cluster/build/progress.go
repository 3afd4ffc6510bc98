package build

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress tells how far a build is: one line that is rewritten on a terminal,
// and a line every half minute anywhere else, so that a log stays readable and
// a person who waits ten minutes knows that something happens.
type progress struct {
	out      io.Writer
	title    string
	total    int
	terminal bool
	start    time.Time
	quit     chan struct{}
	finished sync.WaitGroup

	mu    sync.Mutex
	count int
	notes string
}

func startProgress(out io.Writer, title string, total int) *progress {
	p := &progress{out: out, title: title, total: total, terminal: isTerminal(out), start: time.Now(), quit: make(chan struct{})}
	fmt.Fprintf(out, "%s: building (once; it is kept for the next time)\n", title)
	interval := 30 * time.Second
	if p.terminal {
		interval = 200 * time.Millisecond
	}
	p.finished.Add(1)
	go func() {
		defer p.finished.Done()
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-p.quit:
				return
			case <-tick.C:
				p.print()
			}
		}
	}()
	return p
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	p.notes = ""
}

func (p *progress) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = text
}

func (p *progress) print() {
	line := p.line()
	if p.terminal {
		fmt.Fprintf(p.out, "\r\033[K%s", line)
		return
	}
	fmt.Fprintln(p.out, line)
}

func (p *progress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.start).Round(time.Second)
	switch {
	case p.notes != "":
		return fmt.Sprintf("%s: %s, %s", p.title, p.notes, elapsed)
	case p.total == 0:
		return fmt.Sprintf("%s: %d packages compiled, %s", p.title, p.count, elapsed)
	default:
		// Packages that Go has compiled before are not reported again, so
		// the count may end short of the total but never runs over it.
		return fmt.Sprintf("%s: %d of at most %d packages compiled, %s", p.title, p.count, p.total, elapsed)
	}
}

// stop ends the display; it may be called after done.
func (p *progress) stop() {
	select {
	case <-p.quit:
		return
	default:
		close(p.quit)
	}
	p.finished.Wait()
	if p.terminal {
		fmt.Fprint(p.out, "\r\033[K")
	}
}

func (p *progress) done() {
	p.stop()
	fmt.Fprintf(p.out, "%s: built in %s\n", p.title, time.Since(p.start).Round(time.Second))
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
