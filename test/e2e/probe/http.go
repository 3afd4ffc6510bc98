package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// echo is what the server tells of a request.
type echo struct {
	Name, Method, Path, Query, Host, Proto string
	// Tries is the number of requests that had this one's key, this one included; 0 without a key.
	Tries   int
	Headers http.Header
}

func (s *server) serveHTTP(l net.Listener) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return (&http.Server{Handler: s, Protocols: protocols}).Serve(l)
}

// ServeHTTP answers any path. The query asks for misbehaviour:
//
//	status=503          answer with this status
//	delay=500ms         wait before the answer
//	key=a&fail=2        fail the first two requests of this key (with status, or 503), answer the others
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	otherwise := s.count()
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		fmt.Printf("POST %s %s\n", r.URL.Path, body) // so that a test reads what a receiver was sent
	}
	if s.breaks {
		panic(http.ErrAbortHandler)
	}
	q := r.URL.Query()
	answer := echo{
		Name: s.name, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Host: r.Host, Proto: r.Proto, Headers: r.Header,
	}
	status := number(q.Get("status"), otherwise)
	if key := q.Get("key"); key != "" {
		answer.Tries = s.try(key)
		status = failing(answer.Tries, number(q.Get("fail"), 0), status)
	}
	if delay, err := time.ParseDuration(q.Get("delay")); err == nil {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// failing is the status of the given try when the first ones fail; without any that fail it is just status.
func failing(try, fail, status int) int {
	switch {
	case fail == 0:
		return status
	case try > fail:
		return http.StatusOK
	case status == http.StatusOK:
		return http.StatusServiceUnavailable
	}
	return status
}

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}
