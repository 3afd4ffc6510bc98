package walkthrough

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"
)

// Answer is what the client outside the cluster got for one request.
type Answer struct {
	// Sent and Done are when the request left and when its answer was read.
	Sent, Done time.Time
	// Version is what podinfo says of itself; empty when the request failed.
	Version string
	// Err says why the request failed: no answer, or a status other than 200.
	Err string
}

// Load is a plain client that sends requests at a steady rate, without retries, and remembers every answer.
type Load struct {
	url    string
	client *http.Client

	mu      sync.Mutex
	answers []Answer
}

// StartLoad sends rate requests a second to url until ctx ends; Wait for the returned channel to see the last answer.
func StartLoad(ctx context.Context, url string, rate int) (*Load, <-chan struct{}) {
	l := &Load{url: url, client: &http.Client{
		Timeout: 20 * time.Second,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 64,
			// Some requests on new connections, most on old ones, as users' clients do.
			IdleConnTimeout: 10 * time.Second,
		},
	}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer l.client.CloseIdleConnections()
		l.run(ctx, rate)
	}()
	return l, done
}

func (l *Load) run(ctx context.Context, rate int) {
	var wg sync.WaitGroup
	defer wg.Wait()
	// Bounded, so that a hanging server shows as failures and not as a flood.
	slots := make(chan struct{}, 4*rate)
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			slots <- struct{}{}
			wg.Add(1)
			go func() {
				defer func() { <-slots; wg.Done() }()
				l.request()
			}()
		}
	}
}

// request ignores the load's context: a request in flight when the load stops is still answered and counted.
func (l *Load) request() {
	a := Answer{Sent: time.Now()}
	a.Version, a.Err = get(l.client, l.url)
	a.Done = time.Now()
	l.mu.Lock()
	l.answers = append(l.answers, a)
	l.mu.Unlock()
}

// shortClient asks once, on a connection of its own.
func shortClient() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

func get(client *http.Client, url string) (version, failure string) {
	// Go's client sends a request again, unasked, when a kept connection turns out to be closed. That is a retry too,
	// and what it hides is a failure for clients without it.
	tries := 0
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { tries++ }})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return "", fmt.Sprintf("read the answer: %v", err)
	}
	if tries > 1 {
		return "", fmt.Sprintf("the client had to send it %d times", tries)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Sprintf("status %d: %.200s", resp.StatusCode, body)
	}
	var page struct{ Version string }
	if err := json.Unmarshal(body, &page); err != nil || page.Version == "" {
		return "", fmt.Sprintf("not podinfo's answer: %.200s", body)
	}
	return page.Version, ""
}

// Between returns the answers to requests sent in [from, to).
func (l *Load) Between(from, to time.Time) Answers {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out Answers
	for _, a := range l.answers {
		if !a.Sent.Before(from) && a.Sent.Before(to) {
			out = append(out, a)
		}
	}
	return out
}

// Answers is a set of answers that belong together.
type Answers []Answer

// Failures returns the answers that failed.
func (as Answers) Failures() Answers {
	return slices.DeleteFunc(slices.Clone(as), func(a Answer) bool { return a.Err == "" })
}

// Of counts the answers of one version.
func (as Answers) Of(version string) int {
	n := 0
	for _, a := range as {
		if a.Version == version {
			n++
		}
	}
	return n
}
