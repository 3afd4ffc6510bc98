package metric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadog"
	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV1"
)

// datadogAddress is where Datadog's first site answers.
const datadogAddress = "https://api.datadoghq.com"

// seriesIntervals is how many of the metric's intervals a series is asked for. Such providers answer late: the last
// interval alone would often be empty.
const seriesIntervals = 10

type datadogProvider struct {
	*transport
	api  *datadogV1.MetricsApi
	keys map[string]datadog.APIKey
}

// newDatadog connects to Datadog. Its Secret has the keys datadog_api_key and datadog_application_key.
func newDatadog(_ *Client, q Query) (provider, error) {
	q.Provider.Address = cmp.Or(q.Provider.Address, datadogAddress)
	u, err := address(q.Provider)
	if err != nil {
		return nil, err
	}
	apiKey, err := q.credential("datadog_api_key")
	if err != nil {
		return nil, err
	}
	appKey, err := q.credential("datadog_application_key")
	if err != nil {
		return nil, err
	}
	t := newTransport(q.Provider, u)
	config := datadog.NewConfiguration()
	config.Servers = datadog.ServerConfigurations{{URL: u.String()}}
	config.OperationServers = nil
	config.HTTPClient = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the keys are in headers that would go along
	}}
	return &datadogProvider{
		transport: t,
		api:       datadogV1.NewMetricsApi(datadog.NewAPIClient(config)),
		keys:      map[string]datadog.APIKey{"apiKeyAuth": {Key: apiKey}, "appKeyAuth": {Key: appKey}},
	}, nil
}

func (p *datadogProvider) ask(ctx context.Context, q Query) (float64, error) {
	to := time.Now()
	from := to.Add(-seriesIntervals * q.Interval)
	ctx = context.WithValue(ctx, datadog.ContextAPIKeys, p.keys)
	answer, response, err := p.api.QueryMetrics(ctx, from.Unix(), to.Unix(), q.Text)
	if response != nil {
		defer response.Body.Close()
	}
	if err != nil {
		var refused datadog.GenericOpenAPIError
		if errors.As(err, &refused) && len(refused.Body()) > 0 {
			return 0, fmt.Errorf("%s: %s", refused.Error(), refused.Body())
		}
		return 0, err
	}
	if text := answer.GetError(); text != "" {
		return 0, errors.New(text)
	}
	if len(answer.Series) == 0 {
		return 0, errNoValues
	}
	return newestComplete(answer.Series[0].Pointlist, time.Duration(answer.Series[0].GetInterval())*time.Second, to)
}

// newestComplete is the value of the newest bucket that was over when it was asked for. The one after it still grows,
// and the first, which Flagger takes, is about a time long before the step that is judged.
func newestComplete(points [][]*float64, bucket time.Duration, now time.Time) (float64, error) {
	for i := len(points) - 1; i >= 0; i-- {
		point := points[i]
		if len(point) < 2 || point[0] == nil || point[1] == nil {
			continue
		}
		if end := time.UnixMilli(int64(*point[0])).Add(bucket); !end.After(now) {
			return *point[1], nil
		}
	}
	return 0, errNoValues
}
