package metric

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

type prometheusProvider struct {
	*transport
	api promv1.API
}

// newPrometheus connects to a Prometheus. Its Secret has a token, or a username and a password.
func newPrometheus(_ *Client, q Query) (provider, error) {
	u, err := address(q.Provider)
	if err != nil {
		return nil, err
	}
	t := newTransport(q.Provider, u)
	if t.authorize, err = prometheusLogin(q); err != nil {
		return nil, err
	}
	client, err := api.NewClient(api.Config{Address: u.String(), RoundTripper: t})
	if err != nil {
		return nil, fmt.Errorf("the provider's address: %w", withoutURL(err))
	}
	return &prometheusProvider{t, promv1.NewAPI(getOnly{client})}, nil
}

func prometheusLogin(q Query) (func(*http.Request), error) {
	if q.Credentials == nil {
		return nil, nil
	}
	if token, err := q.credential("token"); err == nil {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }, nil
	}
	user, errUser := q.credential("username")
	password, errPassword := q.credential("password")
	if errUser != nil || errPassword != nil {
		return nil, errors.New("the Secret has neither the key token nor the keys username and password")
	}
	return func(r *http.Request) { r.SetBasicAuth(user, password) }, nil
}

var spaces = regexp.MustCompile(`\s+`)

// ask takes the last sample of a vector, as Flagger does: a query is meant to give one.
func (p *prometheusProvider) ask(ctx context.Context, q Query) (float64, error) {
	// Without a time the server takes its own clock.
	value, _, _, err := p.api.Query(ctx, spaces.ReplaceAllString(q.Text, " "), time.Time{})
	if err != nil {
		return 0, prometheusError(err)
	}
	switch v := value.(type) {
	case model.Vector:
		if len(v) == 0 {
			return 0, errNoValues
		}
		return float64(v[len(v)-1].Value), nil
	case *model.Scalar:
		return float64(v.Value), nil
	case model.Matrix:
		return 0, errors.New("query returned multiple values")
	}
	return 0, errors.New("the query gives no number")
}

// prometheusError is what the server says, and what an error page says, which is all that there is behind a proxy.
func prometheusError(err error) error {
	var answer *promv1.Error
	switch {
	case !errors.As(err, &answer):
		return err
	case answer.Detail != "":
		return fmt.Errorf("%s: %s", answer.Msg, answer.Detail)
	}
	return errors.New(answer.Msg)
}

// getOnly asks with GET what the library asks with POST: who guards a Prometheus often allows readers only that.
type getOnly struct{ api.Client }

// Do implements api.Client.
func (g getOnly) Do(ctx context.Context, r *http.Request) (*http.Response, []byte, error) {
	if r.Method == http.MethodPost && r.Body != nil {
		form, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, nil, err
		}
		values, err := url.ParseQuery(string(form))
		if err != nil {
			return nil, nil, err
		}
		u := *r.URL
		query := u.Query()
		for name, value := range values {
			query[name] = value
		}
		u.RawQuery = query.Encode()
		if r, err = http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil); err != nil {
			return nil, nil, err
		}
	}
	return g.Client.Do(ctx, r)
}
