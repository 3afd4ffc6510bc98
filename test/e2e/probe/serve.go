package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// healthPort is no port of the mesh, so that a pod's readiness does not depend on what a test does to its proxy.
const healthPort = "8099"

// server is what all protocols share.
type server struct {
	name   string
	status int           // what an HTTP request gets that asks for nothing else
	breaks bool          // break every HTTP connection instead of answering
	linger time.Duration // how long it goes on after it was told to stop
	crash  int           // the request that it crashes at; 0 is none
	sour   int           // the request from which on all fail; 0 is none

	mu    sync.Mutex
	tries map[string]int
	asked int
}

// try counts the requests of one key, so that a client learns how often it was tried.
func (s *server) try(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[key]++
	return s.tries[key]
}

// count counts HTTP requests and returns the status of one that asks for none. It crashes as a program does that has a
// mistake in it: at once, whoever else waits.
func (s *server) count() (status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked++; s.asked == s.crash {
		os.Exit(2)
	}
	if s.sour > 0 && s.asked >= s.sour {
		return http.StatusInternalServerError
	}
	return s.status
}

func serveCommand() *cobra.Command {
	s := &server{tries: map[string]int{}}
	cmd := &cobra.Command{
		Use:   "serve PROTOCOL:PORT...",
		Short: "Serve http (HTTP/1.1 and HTTP/2 without TLS), grpc and smtp",
		RunE:  func(cmd *cobra.Command, args []string) error { return s.serve(cmd.Context(), args) },
	}
	cmd.Flags().StringVar(&s.name, "name", "", "what the server calls itself in every answer")
	cmd.Flags().IntVar(&s.status, "status", http.StatusOK, "the status of an answer to a request that asks for none")
	cmd.Flags().IntVar(&s.crash, "crash-after", 0, "exit without a word at this HTTP request; 0 is never")
	cmd.Flags().IntVar(&s.sour, "fail-after", 0, "answer with 500 from this HTTP request on; 0 is never")
	cmd.Flags().BoolVar(&s.breaks, "crash", false, "break the connection of every HTTP request, as a server does whose workers crash")
	cmd.Flags().DurationVar(&s.linger, "linger", time.Second, "serve on for this long after SIGTERM, as callers still come that have not heard of it")
	return cmd
}

func (s *server) serve(ctx context.Context, ports []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return s.listen(ctx, healthPort, func(l net.Listener) error {
			return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
		})
	})
	for _, p := range ports {
		protocol, port, _ := strings.Cut(p, ":")
		serve, ok := map[string]func(net.Listener) error{"http": s.serveHTTP, "grpc": s.serveGRPC, "smtp": s.serveSMTP}[protocol]
		if !ok || port == "" {
			return fmt.Errorf("%q is not served: write http:PORT, grpc:PORT or smtp:PORT", p)
		}
		group.Go(func() error { return s.listen(ctx, port, serve) })
	}
	return group.Wait()
}

// listen serves until the context ends, and lingers.
func (s *server) listen(ctx context.Context, port string, serve func(net.Listener) error) error {
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(l) }()
	select {
	case err = <-ended:
		return err
	case <-ctx.Done():
		time.Sleep(s.linger)
		return l.Close()
	}
}
