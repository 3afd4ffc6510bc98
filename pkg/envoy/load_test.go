package envoy

import (
	"testing"
	"time"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestWhatAReportSays(t *testing.T) {
	open := func(n uint64) *uint64 { return &n }
	unknown := (*uint64)(nil)
	cases := map[string]struct {
		report clusterReport
		before *uint64
		want   LoadCounts
	}{
		"all are answered":                    {clusterReport{issued: 9, succeeded: 7, failed: 2}, open(0), LoadCounts{Issued: 9, Succeeded: 7, Failed: 2}},
		"nobody listens":                      {clusterReport{failed: 8}, open(0), LoadCounts{Failed: 8, Unconnected: 8}},
		"some wait":                           {clusterReport{issued: 10, open: 15, failed: 7}, open(12), LoadCounts{Issued: 10, Failed: 7}},
		"the waiting end in timeouts":         {clusterReport{issued: 8, open: 12, failed: 13}, open(17), LoadCounts{Issued: 8, Failed: 13}},
		"clients give up":                     {clusterReport{issued: 10, open: 3}, open(3), LoadCounts{Issued: 10, Abandoned: 10}},
		"what waited before is given up":      {clusterReport{}, open(4), LoadCounts{Abandoned: 4}},
		"nobody knows what waited before":     {clusterReport{issued: 10, open: 3}, unknown, LoadCounts{Issued: 10}},
		"more ended than there was, and well": {clusterReport{issued: 1, succeeded: 5}, open(0), LoadCounts{Issued: 1, Succeeded: 5}},
	}
	for name, c := range cases {
		before := uint64(0)
		if c.before != nil {
			before = *c.before
		}
		if diff := cmp.Diff(c.want, c.report.since(before, c.before != nil)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestOddReportsDoNotCount(t *testing.T) {
	locality := func(n uint64) []*endpointv3.UpstreamLocalityStats {
		return []*endpointv3.UpstreamLocalityStats{{TotalErrorRequests: n}, {TotalErrorRequests: n}}
	}
	cases := map[string]struct {
		stats    *endpointv3.ClusterStats
		interval time.Duration
		want     string
	}{
		"an ordinary one":              {&endpointv3.ClusterStats{UpstreamLocalityStats: locality(5), LoadReportInterval: durationpb.New(time.Second)}, time.Second, reportCounted},
		"one without a time":           {&endpointv3.ClusterStats{UpstreamLocalityStats: locality(5)}, time.Second, reportCounted},
		"the first after a reconnect":  {&endpointv3.ClusterStats{LoadReportInterval: durationpb.New(6 * time.Second)}, time.Second, reportCounted},
		"one of five thousand proxies": {&endpointv3.ClusterStats{LoadReportInterval: durationpb.New(14 * time.Second)}, 10 * time.Second, reportCounted},
		"one after a long silence":     {&endpointv3.ClusterStats{LoadReportInterval: durationpb.New(14 * time.Second)}, time.Second, reportLate},
		"a time that runs backwards":   {&endpointv3.ClusterStats{LoadReportInterval: durationpb.New(-time.Second)}, time.Second, reportImpossible},
		"a time that is none":          {&endpointv3.ClusterStats{LoadReportInterval: &durationpb.Duration{Seconds: 1 << 62, Nanos: -1}}, time.Second, reportLate},
		"too many":                     {&endpointv3.ClusterStats{UpstreamLocalityStats: locality(maxReported)}, time.Second, reportImpossible},
		"so many that they run over":   {&endpointv3.ClusterStats{UpstreamLocalityStats: locality(1 << 63)}, time.Second, reportImpossible},
		"a message with nothing in it": {&endpointv3.ClusterStats{}, time.Second, reportCounted},
	}
	for name, c := range cases {
		if got := clusterReports([]*endpointv3.ClusterStats{c.stats})[0].judge(c.interval); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestManyCallersReportLessOften(t *testing.T) {
	for reporting, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 500: time.Second, 501: 2 * time.Second, 5000: 10 * time.Second} {
		if got := loadIntervalFor(reporting); got != want {
			t.Errorf("%d proxies report every %v, want %v", reporting, got, want)
		}
	}
}
