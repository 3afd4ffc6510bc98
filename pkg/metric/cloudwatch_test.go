package metric

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// metricDataInput is what of GetMetricData's input the server looks at.
type metricDataInput struct {
	MetricDataQueries []struct {
		ID         string `cbor:"Id"`
		Expression string
		MetricStat struct {
			Metric struct{ Namespace, MetricName string }
			Period int
			Stat   string
		}
	}
	StartTime, EndTime time.Time
	ScanBy             string
}

// cloudWatchServer answers GetMetricData in the protocol that AWS documents for CloudWatch: Smithy RPC v2 in CBOR.
func cloudWatchServer(t *testing.T, answer func(metricDataInput) (status int, body map[string]any)) string {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/service/GraniteServiceVersion20100801/operation/GetMetricData" ||
			r.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" || r.Header.Get("Content-Type") != "application/cbor" {
			t.Errorf("asked %s %s with %v", r.Method, r.URL, r.Header)
		}
		if login := r.Header.Get("Authorization"); !strings.HasPrefix(login, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(login, "/eu-west-1/monitoring/") {
			t.Errorf("signed %q", login)
		}
		var in metricDataInput
		if err := cbor.Unmarshal(body, &in); err != nil {
			t.Errorf("%v: %x", err, body)
		}
		status, out := answer(in)
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.Header().Set("Content-Type", "application/cbor")
		encoded, err := cbor.Marshal(out)
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		w.Write(encoded)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const cloudWatchQuery = `[
  {"Id": "e1", "Expression": "m1 / m2", "Label": "ErrorRate"},
  {"Id": "m1", "MetricStat": {"Metric": {"Namespace": "MyKubernetesCluster", "MetricName": "ErrorCount",
     "Dimensions": [{"Name": "appName", "Value": "podinfo.demo"}]}, "Period": 60, "Stat": "Sum", "Unit": "Count"}, "ReturnData": false}
]`

func TestCloudWatch(t *testing.T) {
	results := func(values ...float64) func(metricDataInput) (int, map[string]any) {
		return func(metricDataInput) (int, map[string]any) {
			return 200, map[string]any{"MetricDataResults": []any{
				map[string]any{"Id": "e1", "StatusCode": "Complete", "Values": values},
				map[string]any{"Id": "e2", "StatusCode": "Complete", "Values": []float64{99}},
			}}
		}
	}
	for sentence, c := range map[string]struct {
		answer func(metricDataInput) (int, map[string]any)
		want   string
	}{
		"the newest value of the first result": {results(0.5, 3), "0.5"},
		"a result without values":              {results(), "no values"},
		"no result": {func(metricDataInput) (int, map[string]any) {
			return 200, map[string]any{"MetricDataResults": []any{}}
		}, "no values"},
		"the query goes out as it is written": {func(in metricDataInput) (int, map[string]any) {
			m := in.MetricDataQueries
			if len(m) == 2 && m[0].Expression == "m1 / m2" && m[1].MetricStat.Metric.MetricName == "ErrorCount" && m[1].MetricStat.Period == 60 &&
				in.ScanBy == "TimestampDescending" && in.EndTime.Sub(in.StartTime).Round(time.Second) == 10*time.Minute {
				return results(1)(in)
			}
			return results(0)(in)
		}, "1"},
		"a refusal": {func(metricDataInput) (int, map[string]any) {
			return 400, map[string]any{"__type": "com.amazonaws.cloudwatch#InvalidParameterValueException", "message": "Period must be a multiple of 60"}
		}, "InvalidParameterValueException: Period must be a multiple of 60"},
		"a failure of one query": {func(metricDataInput) (int, map[string]any) {
			return 200, map[string]any{"MetricDataResults": []any{map[string]any{"Id": "e1", "StatusCode": "InternalError"}}}
		}, "CloudWatch answers InternalError for e1"},
	} {
		t.Run(sentence, func(t *testing.T) {
			address := cloudWatchServer(t, c.answer)
			got := said(t, Query{
				Provider: canaryv1beta1.MetricTemplateProvider{Type: "cloudwatch", Region: "eu-west-1", Address: address},
				Interval: time.Minute, Text: cloudWatchQuery,
			})
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
