package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-mesh/sluice/test/e2e/tally"
)

// question is what the client asks, again and again.
type question struct {
	target      *url.URL
	method      string
	headers     []string
	timeout     time.Duration
	fresh       bool
	requests    int
	during      time.Duration
	ended       <-chan struct{} // if set, the end
	rate        int
	concurrency int
	times       bool
}

// asker asks once and says what it saw; it may be called from several goroutines.
type asker interface {
	ask(ctx context.Context) (facets []string, err error)
	io.Closer
}

func askCommand() *cobra.Command {
	var (
		q        question
		untilEOF bool
	)
	cmd := &cobra.Command{
		Use:   "ask URL",
		Short: "Ask http://, https://, h2c://, grpc:// or smtp:// many times and print what was seen, as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if q.target, err = url.Parse(args[0]); err != nil {
				return err
			}
			if untilEOF {
				q.ended = endOf(cmd.InOrStdin())
			}
			seen, err := q.run(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), seen)
			return err
		},
	}
	f := cmd.Flags()
	f.IntVarP(&q.requests, "requests", "n", 1, "how many requests, unless --for is given")
	f.DurationVar(&q.during, "for", 0, "ask for this long")
	f.BoolVar(&untilEOF, "until-eof", false, "ask until standard input ends")
	f.IntVar(&q.rate, "rate", 0, "requests a second; 0 means as fast as the answers come")
	f.IntVarP(&q.concurrency, "concurrency", "c", 4, "how many requests at a time")
	f.StringVarP(&q.method, "method", "X", "GET", "HTTP method")
	f.StringArrayVarP(&q.headers, "header", "H", nil, "header or metadata, as NAME:VALUE")
	f.DurationVar(&q.timeout, "timeout", 20*time.Second, "patience with one request")
	f.BoolVar(&q.times, "times", false, "print when the first and the last request of each facet were sent, too")
	f.BoolVar(&q.fresh, "fresh", false, "a new connection for every request")
	return cmd
}

func (q question) run(ctx context.Context) (*tally.Tally, error) {
	a, err := q.asker()
	if err != nil {
		return nil, err
	}
	defer a.Close()
	seen, left := &tally.Tally{}, atomic.Int64{}
	left.Store(int64(q.requests))
	end := time.Now().Add(q.during)
	more := func() bool {
		switch {
		case q.ended != nil:
			select {
			case <-q.ended:
				return false
			default:
				return true
			}
		case q.during > 0:
			return time.Now().Before(end)
		}
		return left.Add(-1) >= 0
	}
	var wg sync.WaitGroup
	for i := range max(q.concurrency, 1) {
		wg.Go(func() {
			wait := q.pace(i)
			for ctx.Err() == nil && more() {
				q.once(ctx, a, seen)
				wait()
			}
		})
	}
	wg.Wait()
	return seen, ctx.Err()
}

// endOf tells when there is no more to read.
func endOf(r io.Reader) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, r)
	}()
	return ended
}

// pace returns what holds one of the concurrent clients back, so that all of them together keep the rate.
func (q question) pace(i int) func() {
	if q.rate == 0 {
		return func() {}
	}
	each := time.Second * time.Duration(max(q.concurrency, 1)) / time.Duration(q.rate)
	next := time.Now().Add(each * time.Duration(i) / time.Duration(max(q.concurrency, 1)))
	return func() {
		next = next.Add(each)
		time.Sleep(time.Until(next))
	}
}

func (q question) once(ctx context.Context, a asker, seen *tally.Tally) {
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	began := time.Now()
	facets, err := a.ask(ctx)
	if err != nil {
		facets = append(facets, "error:"+class(err))
	}
	seen.Add(int(time.Since(began).Milliseconds()), facets...)
	if q.times {
		seen.Time(began, facets...)
	}
}

func (q question) asker() (asker, error) {
	switch q.target.Scheme {
	case "http", "https", "h2c":
		return newHTTPAsker(q), nil
	case "grpc":
		return newGRPCAsker(q)
	case "smtp":
		return smtpAsker{address: q.target.Host}, nil
	}
	return nil, fmt.Errorf("%s: ask http://, https://, h2c://, grpc:// or smtp://", q.target)
}

// header splits "NAME:VALUE".
func header(text string) (name, value string) {
	name, value, _ = strings.Cut(text, ":")
	return name, strings.TrimSpace(value)
}

// class is an error in one word, so that equal ones are counted together.
func class(err error) string {
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		// net/http's own word for a connection that was closed before the request was on it; it has no name to compare with.
		strings.Contains(err.Error(), "server closed idle connection"):
		return "closed"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timeout"
	}
	return err.Error()
}
