package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
)

// cloudWatchPoints bounds the points of an answer, as Flagger does: only the newest is read.
const cloudWatchPoints = 20

type cloudWatchProvider struct {
	client *cloudwatch.Client
}

// newCloudWatch connects to CloudWatch in the provider's region, with the credentials that this process has from AWS:
// from its environment, its service account or its machine. An address, if there is one, takes the place of AWS's.
func newCloudWatch(_ *Client, q Query) (provider, error) {
	if q.Provider.Region == "" {
		return nil, errors.New("region not specified")
	}
	if q.Provider.Address != "" {
		if _, err := address(q.Provider); err != nil {
			return nil, err
		}
	}
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		if q.Provider.InsecureSkipVerify {
			t.TLSClientConfig.InsecureSkipVerify = true // the spec asks for it
		}
	})
	// Nothing is asked here: credentials are fetched when the first question is signed, within its timeout.
	config, err := awsconfig.LoadDefaultConfig(context.Background(),
		awsconfig.WithRegion(q.Provider.Region), awsconfig.WithHTTPClient(client))
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	return &cloudWatchProvider{cloudwatch.NewFromConfig(config, func(o *cloudwatch.Options) {
		if q.Provider.Address != "" {
			o.BaseEndpoint = aws.String(q.Provider.Address)
		}
	})}, nil
}

// close has nothing to do: the library ends connections that were idle for 90 s.
func (p *cloudWatchProvider) close() {}

// ask takes the newest value of the first result. The query is the JSON of a list of MetricDataQuery.
func (p *cloudWatchProvider) ask(ctx context.Context, q Query) (float64, error) {
	var queries []types.MetricDataQuery
	if err := json.Unmarshal([]byte(q.Text), &queries); err != nil {
		return 0, fmt.Errorf("the query is not a JSON list of MetricDataQuery: %w", err)
	}
	end := time.Now()
	out, err := p.client.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
		StartTime:         aws.Time(end.Add(-seriesIntervals * q.Interval)),
		EndTime:           aws.Time(end),
		MetricDataQueries: queries,
		MaxDatapoints:     aws.Int32(cloudWatchPoints),
		ScanBy:            types.ScanByTimestampDescending,
	})
	if err != nil {
		var refused smithy.APIError
		if errors.As(err, &refused) {
			return 0, fmt.Errorf("%s: %s", refused.ErrorCode(), refused.ErrorMessage())
		}
		return 0, err
	}
	if len(out.MetricDataResults) == 0 {
		return 0, errNoValues
	}
	first := out.MetricDataResults[0]
	switch {
	case len(first.Values) > 0:
		return first.Values[0], nil
	case first.StatusCode == types.StatusCodeInternalError || first.StatusCode == types.StatusCodeForbidden:
		return 0, fmt.Errorf("CloudWatch answers %s for %s", first.StatusCode, aws.ToString(first.Id))
	}
	return 0, errNoValues
}
