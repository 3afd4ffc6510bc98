package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/smtp"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type httpAsker struct {
	question
	client *http.Client
	url    string
}

func newHTTPAsker(q question) *httpAsker {
	protocols := new(http.Protocols)
	if q.target.Scheme == "h2c" {
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP1(true)
	}
	u := *q.target
	if u.Scheme == "h2c" {
		u.Scheme = "http"
	}
	return &httpAsker{question: q, url: u.String(), client: &http.Client{
		Transport: &http.Transport{
			Protocols: protocols, DisableKeepAlives: q.fresh, MaxIdleConnsPerHost: q.concurrency,
			// Whose certificate it is, "peek" tells.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
		// What the mesh answers is what counts, not where it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (a *httpAsker) ask(ctx context.Context) ([]string, error) {
	connections := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connections++ }})
	req, err := http.NewRequestWithContext(ctx, a.method, a.url, nil)
	if err != nil {
		return nil, err
	}
	for _, h := range a.headers {
		name, value := header(h)
		if req.Header.Set(name, value); http.CanonicalHeaderKey(name) == "Host" {
			req.Host = value
		}
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	facets := []string{fmt.Sprintf("status:%d", resp.StatusCode)}
	if connections > 1 {
		// Go's client tries again by itself when a kept connection turns out to be closed: a failure for others.
		facets = append(facets, "error:sent again")
	}
	for _, c := range resp.Cookies() {
		facets = append(facets, "cookie:"+c.Name)
	}
	var e echo
	if json.Unmarshal(body, &e) != nil {
		return facets, nil // the proxy's own answer
	}
	facets = append(facets, "name:"+e.Name, "path:"+e.Path, "method:"+e.Method, "host:"+e.Host, "proto:"+e.Proto)
	if e.Tries > 0 {
		facets = append(facets, fmt.Sprintf("tries:%d", e.Tries))
	}
	return facets, nil
}

func (a *httpAsker) Close() error {
	a.client.CloseIdleConnections()
	return nil
}

// grpcAsker calls /UnaryCall or /EmptyCall of grpc.testing.TestService, whichever the URL's path says.
type grpcAsker struct {
	question
	conn *grpc.ClientConn
}

func newGRPCAsker(q question) (*grpcAsker, error) {
	conn, err := grpc.NewClient("passthrough:///"+q.target.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return &grpcAsker{question: q, conn: conn}, err
}

func (a *grpcAsker) ask(ctx context.Context) ([]string, error) {
	for _, h := range a.headers {
		name, value := header(h)
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	var (
		header, trailer metadata.MD
		err             error
		client          = grpc_testing.NewTestServiceClient(a.conn)
	)
	if a.target.Path == "/EmptyCall" {
		_, err = client.EmptyCall(ctx, &grpc_testing.Empty{}, grpc.Header(&header), grpc.Trailer(&trailer))
	} else {
		_, err = client.UnaryCall(ctx, &grpc_testing.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
	}
	facets := []string{"code:" + status.Code(err).String()}
	for key, values := range metadata.Join(header, trailer) {
		if key == "name" || key == "tries" {
			facets = append(facets, key+":"+values[0])
		}
	}
	if code := status.Code(err); code == codes.OK || code == codes.Unknown {
		return facets, err
	}
	return facets, nil
}

func (a *grpcAsker) Close() error { return a.conn.Close() }

// smtpAsker delivers one mail on a connection of its own.
type smtpAsker struct{ address string }

var dialer net.Dialer

func (a smtpAsker) ask(ctx context.Context) ([]string, error) {
	conn, err := dialer.DialContext(ctx, "tcp", a.address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // the deadline ends a greeting that never comes
	host, _, _ := net.SplitHostPort(a.address)
	c, err := smtp.NewClient(conn, host)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	_, name := c.Extension("XNAME")
	facets := []string{"name:" + name}
	if err := deliver(c); err != nil {
		return facets, err
	}
	return append(facets, "mail:taken"), c.Quit()
}

func deliver(c *smtp.Client) error {
	if err := c.Mail("from@example.test"); err != nil {
		return err
	}
	if err := c.Rcpt("to@example.test"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "Subject: hello\r\n\r\nhello\r\n"); err != nil {
		return err
	}
	return w.Close()
}

func (smtpAsker) Close() error { return nil }
