package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-cleanhttp"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/sluice-mesh/sluice/pkg/notify/signature"
)

const (
	// DefaultTimeout bounds one attempt of a hook whose spec names no timeout.
	DefaultTimeout = 10 * time.Second
	// lastSuccess is the highest HTTP status that means yes; 204 already means no. Load testers and gates rely on it.
	lastSuccess = http.StatusAccepted
	// maxBody bounds how much of an answer is read: it ends up in an event, which holds about 1 KiB anyway.
	maxBody = 4 << 10
	// retryWaitMin and retryWaitMax bound the pause between two attempts, which doubles each time.
	retryWaitMin = time.Second
	retryWaitMax = 30 * time.Second
)

// Hook is one call: where to, how patiently, and what is sent.
type Hook struct {
	URL string
	// Timeout bounds each attempt; zero means DefaultTimeout.
	Timeout time.Duration
	// Retries is how many further attempts follow a connection error, a 429 or a 5xx.
	Retries int
	// DisableTLS skips the verification of the server's certificate, which is what Flagger's field of that name does.
	DisableTLS bool
	Payload    Payload
}

// Client posts hooks. It keeps connections between calls and is safe for concurrent use.
type Client struct {
	verified, unverified http.RoundTripper
	// sign makes the header signature.Header of a hook; nil, or an empty header, for none.
	sign func(signature.Request) string
	// waitMin and waitMax are retryWaitMin and retryWaitMax, except in tests that cannot wait.
	waitMin, waitMax time.Duration
}

// NewClient returns a client that honours the proxy settings of the environment.
func NewClient() *Client {
	unverified := cleanhttp.DefaultPooledTransport()
	unverified.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // only for hooks whose spec asks for it
	return &Client{
		verified:   cleanhttp.DefaultPooledTransport(),
		unverified: unverified,
		waitMin:    retryWaitMin,
		waitMax:    retryWaitMax,
	}
}

// Signing signs all hooks from now on. What it returns is the header signature.Header; empty leaves it out.
func (c *Client) Signing(sign func(signature.Request) string) *Client {
	c.sign = sign
	return c
}

// Post sends the hook and returns nil if the answer was yes. The error of a no is the answer's body, word for word,
// because release events quote it; every other error says what went wrong without repeating the URL, whose query may
// hold a token.
func (c *Client) Post(ctx context.Context, hook Hook) error {
	body, err := json.Marshal(hook.Payload)
	if err != nil {
		return fmt.Errorf("encode the hook's payload: %w", err)
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the hook's url is not valid: %w", withoutURL(err))
	}
	req.Header.Set("Content-Type", "application/json")
	if c.sign != nil {
		if header := c.sign(signature.Request{Path: req.URL.Path, Body: body}); header != "" {
			req.Header.Set(signature.Header, header)
		}
	}
	resp, err := c.retrying(hook).Do(req)
	if err != nil {
		return fmt.Errorf("call %s: %w", req.URL.Host, withoutURL(err))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", req.URL.Host, withoutURL(err))
	}
	return verdict(resp.StatusCode, answer)
}

// retrying is the client for one hook; only the transports, which hold the connections, are shared.
func (c *Client) retrying(hook Hook) *retryablehttp.Client {
	client := retryablehttp.NewClient()
	client.Logger = nil // it would log the URL of every attempt
	client.RetryMax = max(hook.Retries, 0)
	client.RetryWaitMin, client.RetryWaitMax = c.waitMin, c.waitMax
	// Without this the last answer's body, the one thing the user needs to see, is thrown away.
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	client.HTTPClient = &http.Client{Transport: c.verified, Timeout: hook.Timeout}
	if hook.Timeout <= 0 {
		client.HTTPClient.Timeout = DefaultTimeout
	}
	if hook.DisableTLS {
		client.HTTPClient.Transport = c.unverified
	}
	return client
}

func verdict(status int, body []byte) error {
	if status <= lastSuccess {
		return nil
	}
	if text := strings.TrimSpace(string(body)); text != "" {
		return errors.New(text)
	}
	return fmt.Errorf("HTTP status %d %s", status, http.StatusText(status))
}

// withoutURL takes off the layer that net/http adds, which spells out the whole URL.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
