package envoy

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-mesh/sluice/pkg/gate"
)

// testdata/stats.json is what Envoy 1.40.0 answered to statsQuery after two clusters were asked: 2 × 200, 301, 404, 500,
// 503, a timeout (504), a reset (503) and a refused connection (503).
func TestParseStatsOfEnvoy(t *testing.T) {
	body, err := os.ReadFile("testdata/stats.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseStats(body)
	if err != nil {
		t.Fatal(err)
	}
	latency := got.counters.Latency
	got.counters.Latency = nil
	want := reading{uptime: 5 * time.Second, counters: gate.Counters{
		Requests: 9, Class: [6]uint64{0, 0, 2, 1, 1, 5}, Resets: 1, Timeouts: 1, ConnectFailures: 1,
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(reading{})); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	last := latency[len(latency)-1]
	if len(latency) != 20 || !math.IsInf(last.UpperMS, 1) || last.Count != latency[len(latency)-2].Count || latency[0].UpperMS != 0.5 {
		t.Errorf("latency: %v", latency)
	}
}

func TestParseStats(t *testing.T) {
	const prefix = `{"stats":[{"name":"cluster.cds_ingress_m_web_demo_http_8080.`
	cases := map[string]struct {
		body string
		want gate.Counters
		err  string
	}{
		"ports add up": {
			body: prefix + `upstream_rq_2xx","value":3},{"name":"cluster.cds_ingress_m_web_demo_grpc_9090.upstream_rq_2xx","value":4}]}`,
			want: gate.Counters{Class: [6]uint64{0, 0, 7}},
		},
		"an app that was never asked has counters": {body: prefix + `upstream_cx_connect_fail","value":0}]}`},
		"histograms of two ports add up": {
			body: prefix + `upstream_cx_connect_fail","value":0},{"histograms":[
				{"name":"a","buckets":[{"upper_bound":1,"cumulative":2},{"upper_bound":5,"cumulative":3}]},
				{"name":"b","buckets":[{"upper_bound":1,"cumulative":10},{"upper_bound":5,"cumulative":20}]}]}]}`,
			want: gate.Counters{Latency: []gate.Bucket{{UpperMS: 1, Count: 12}, {UpperMS: 5, Count: 23}, {UpperMS: math.Inf(1), Count: 23}}},
		},
		"no ingress cluster is not no traffic": {body: `{"stats":[{"name":"server.uptime","value":3}]}`, err: "its Envoy has no ingress cluster"},
		"nothing at all":                       {body: `{"stats":[]}`, err: "its Envoy has no ingress cluster"},
		"something else":                       {body: `<html>`, err: "read stats: invalid character '<' looking for beginning of value"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseStats([]byte(c.body))
			if err != nil || c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("got error %v, want %q", err, c.err)
				}
				return
			}
			if diff := cmp.Diff(c.want, got.counters); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestProcessesAreToldApart(t *testing.T) {
	start := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	// Each reading is (seconds since the start, uptime in seconds); want is how many processes they come from.
	cases := map[string]struct {
		readings [][2]int
		want     int
	}{
		"one process, read every second":               {[][2]int{{10, 5}, {11, 6}, {12, 7}}, 1},
		"an uptime that is renewed every five seconds": {[][2]int{{10, 5}, {11, 5}, {14, 5}, {15, 10}, {19, 10}, {20, 15}}, 1},
		"a restart":                            {[][2]int{{100, 90}, {101, 0}, {102, 1}}, 2},
		"a restart that was not seen for long": {[][2]int{{100, 5}, {400, 200}}, 2},
		"stats that are hardly ever flushed":   {[][2]int{{60, 60}, {90, 60}, {119, 60}, {120, 120}, {179, 120}}, 1},
		"stats that were never flushed before": {[][2]int{{100, 0}, {101, 101}, {102, 102}}, 1},
		"two restarts":                         {[][2]int{{100, 90}, {101, 0}, {200, 98}, {201, 0}}, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var p process
			epochs := map[string]bool{}
			for _, r := range c.readings {
				p = p.next(start.Add(time.Duration(r[0])*time.Second), time.Duration(r[1])*time.Second)
				epochs[p.epoch()] = true
			}
			if since := p.since(); since.After(start.Add(time.Duration(c.readings[len(c.readings)-1][0]) * time.Second)) {
				t.Errorf("the process began in the future: %v", since)
			}
			if len(epochs) != c.want {
				t.Errorf("%d processes, want %d: %v", len(epochs), c.want, epochs)
			}
		})
	}
}
