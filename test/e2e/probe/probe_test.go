package main

import (
	"net"
	"net/url"
	"testing"
	"time"
)

// TestWhatIsServedIsSeen asks our own server over every protocol, without a mesh between them.
func TestWhatIsServedIsSeen(t *testing.T) {
	s := &server{name: "red", status: 200, tries: map[string]int{}}
	web, calls, mail := serve(t, s.serveHTTP), serve(t, s.serveGRPC), serve(t, s.serveSMTP)
	crashing := serve(t, (&server{breaks: true}).serveHTTP)
	silent := serve(t, func(l net.Listener) error { _, err := l.Accept(); return err })
	for what, c := range map[string]struct {
		question question
		url      string
		want     []string
	}{
		"HTTP/1.1": {question{requests: 10, headers: []string{"Host: other"}, method: "PUT"}, "http://" + web + "/a?b=c",
			[]string{"requests=10", "status:200=all", "name:red=all", "path:/a=all", "method:PUT=all", "host:other=all", "proto:HTTP/1.1=all"}},
		"HTTP/2":             {question{requests: 5}, "h2c://" + web + "/", []string{"status:200=all", "proto:HTTP/2.0=all"}},
		"a status":           {question{requests: 1}, "http://" + web + "/?status=418", []string{"status:418=1"}},
		"a delay":            {question{requests: 1}, "http://" + web + "/?delay=300ms", []string{"status:200=1", "fastest>299"}},
		"no patience":        {question{requests: 1, timeout: 100 * time.Millisecond}, "http://" + web + "/?delay=1s", []string{"error:timeout=1"}},
		"failing at first":   {question{requests: 3, concurrency: 1}, "http://" + web + "/?key=a&fail=2", []string{"status:503=2", "status:200=1", "tries:3=1"}},
		"a rate":             {question{during: 500 * time.Millisecond, rate: 20, concurrency: 2}, "http://" + web + "/", []string{"requests>8", "requests<13"}},
		"gRPC":               {question{requests: 5}, "grpc://" + calls + "/UnaryCall", []string{"code:OK=all", "name:red=all"}},
		"gRPC, empty":        {question{requests: 5}, "grpc://" + calls + "/EmptyCall", []string{"code:OK=all", "name:red=all"}},
		"gRPC, failing once": {question{requests: 2, concurrency: 1, headers: []string{"key: g", "fail: 1", "code: 8"}}, "grpc://" + calls, []string{"code:ResourceExhausted=1", "code:OK=1", "tries:2=1"}},
		"SMTP":               {question{requests: 3}, "smtp://" + mail, []string{"name:red=all", "mail:taken=all"}},
		"SMTP, no greeting":  {question{requests: 1, timeout: 100 * time.Millisecond}, "smtp://" + silent, []string{"error:timeout=1"}},
		"crashing":           {question{requests: 4}, "http://" + crashing + "/", []string{"error:closed=all"}},
		"nobody there":       {question{requests: 1}, "http://127.0.0.1:1/", []string{"error:refused=1"}},
	} {
		t.Run(what, func(t *testing.T) {
			q := c.question
			q.target, _ = url.Parse(c.url)
			if q.timeout == 0 {
				q.timeout = 5 * time.Second
			}
			if q.method == "" {
				q.method = "GET"
			}
			seen, err := q.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := seen.Check(c.want...); err != nil {
				t.Error(err)
			}
		})
	}
}

func serve(t *testing.T, f func(net.Listener) error) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { _ = f(l) }()
	return l.Addr().String()
}
