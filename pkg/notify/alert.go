package notify

import (
	"bytes"
	"context"
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

	"github.com/sluice-mesh/sluice/pkg/notify/alert"
)

const (
	// alertTimeout bounds one attempt, as Flagger does.
	alertTimeout = 5 * time.Second
	// alertRetries is how many further attempts follow a connection error, a 429 or a 5xx.
	alertRetries = 3
	// alertPatience bounds all attempts together: a chat that asks to wait longer is not waited for.
	alertPatience = time.Minute
)

// Alert tells a chat, or whatever the destination is. No error holds the destination's address or token.
func (c *Client) Alert(ctx context.Context, to alert.Destination, what alert.Message) error {
	request, err := alert.Build(to, what)
	if err != nil {
		return err
	}
	body, err := json.Marshal(request.Body)
	if err != nil {
		return fmt.Errorf("encode the alert: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, alertPatience)
	defer cancel()
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, request.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the alert's address is not valid: %w", withoutURL(err))
	}
	req.Header.Set("Content-Type", "application/json")
	if request.Token != "" {
		req.Header.Set("Authorization", "Bearer "+request.Token)
	}
	transport, done, err := c.alertTransport(to.Proxy)
	if err != nil {
		return err
	}
	defer done()
	resp, err := c.alerting(transport).Do(req)
	if err != nil {
		return fmt.Errorf("call %s: %w", req.URL.Host, withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusOK && resp.StatusCode < http.StatusMultipleChoices {
		return nil
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", req.URL.Host, withoutURL(err))
	}
	return fmt.Errorf("%s answers HTTP status %d: %s", req.URL.Host, resp.StatusCode, discreet(strings.TrimSpace(string(answer)), request))
}

// discreet cuts out of an answer what must not be shown.
func discreet(answer string, request alert.Request) string {
	for _, secret := range []string{request.URL, request.Token} {
		if secret != "" {
			answer = strings.ReplaceAll(answer, secret, "[redacted]")
		}
	}
	return answer
}

// alertTransport is the way out, and what to do when it is not needed any more. Alerts are few, so one through a proxy
// of its own keeps no connection.
func (c *Client) alertTransport(proxy string) (http.RoundTripper, func(), error) {
	if proxy == "" {
		return c.verified, func() {}, nil
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" {
		return nil, nil, errors.New("the alert's proxy is not a URL")
	}
	transport := cleanhttp.DefaultTransport()
	transport.Proxy = http.ProxyURL(u)
	return transport, transport.CloseIdleConnections, nil
}

func (c *Client) alerting(transport http.RoundTripper) *retryablehttp.Client {
	client := retryablehttp.NewClient()
	client.Logger = nil // it would log the address, which is a secret
	client.RetryMax = alertRetries
	client.RetryWaitMin, client.RetryWaitMax = c.waitMin, c.waitMax
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	client.HTTPClient = &http.Client{
		Transport: transport, Timeout: alertTimeout,
		// Followed as a GET, the alert would be lost and the answer 200.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client
}
