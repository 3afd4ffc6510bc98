package envoy

import (
	"time"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

const (
	// loadInterval is how often a proxy reports, as long as there are not more than reportsPerSecond of them.
	loadInterval = time.Second
	// reportsPerSecond is how many reports one replica wants to read: each is 60 kB, as Envoy says anew who it is.
	reportsPerSecond = 500
	// loadSilence is the interval of a proxy that has nothing to report. Envoy takes none for "at once, for ever".
	loadSilence = time.Hour
	// reportReconnect is how long Envoy waits before it opens a report stream again, whatever ended it. What it counted
	// meanwhile comes first on the new one.
	reportReconnect = 5 * time.Second
	// reportTolerance is for whoever is busy.
	reportTolerance = 3 * time.Second
	// maxReported is more requests than one proxy can make of one cluster between two reports.
	maxReported = 10_000_000
)

// LoadCounts are requests to a virtual node as callers' Envoys see them. Each try of a request that is tried again counts.
type LoadCounts struct {
	// Issued requests went out on a connection.
	Issued uint64 `json:"issued"`
	// Succeeded requests were answered, and not with a 5xx or, for gRPC, with a status that is the like of one.
	Succeeded uint64 `json:"succeeded"`
	// Failed requests were answered with such an error, or not at all: no connection, a reset, a timeout.
	Failed uint64 `json:"failed"`
	// Unconnected requests got no connection; they are among the failed.
	Unconnected uint64 `json:"unconnected"`
	// Abandoned requests went out, and their client did not wait for the end. They are in none of the others but Issued.
	Abandoned uint64 `json:"abandoned"`
}

func (c *LoadCounts) add(more LoadCounts) {
	c.Issued += more.Issued
	c.Succeeded += more.Succeeded
	c.Failed += more.Failed
	c.Unconnected += more.Unconnected
	c.Abandoned += more.Abandoned
}

// clusterReport is what one proxy counted of one cluster since its last report.
type clusterReport struct {
	cluster string
	// span is the time since then, as the proxy says.
	span                      time.Duration
	issued, succeeded, failed uint64
	// open is how many requests wait for their end now.
	open uint64
}

// What becomes of a report, as a metric label.
const (
	reportCounted    = "counted"
	reportLate       = "late"       // it covers more time than anybody judges at once
	reportImpossible = "impossible" // no Envoy says that
	reportUnasked    = "unasked"    // nobody asks about that cluster, or the proxy does not have it
)

// clusterReports reads a message of a proxy. It is pure, and takes numbers as they are; judge does not.
func clusterReports(stats []*endpointv3.ClusterStats) []clusterReport {
	out := make([]clusterReport, 0, len(stats))
	for _, s := range stats {
		r := clusterReport{cluster: s.GetClusterName(), span: s.GetLoadReportInterval().AsDuration()}
		for _, locality := range s.GetUpstreamLocalityStats() {
			r.issued = sum(r.issued, locality.GetTotalIssuedRequests())
			r.succeeded = sum(r.succeeded, locality.GetTotalSuccessfulRequests())
			r.failed = sum(r.failed, locality.GetTotalErrorRequests())
			r.open = sum(r.open, locality.GetTotalRequestsInProgress())
		}
		out = append(out, r)
	}
	return out
}

// sum adds without running over.
func sum(a, b uint64) uint64 { return min(a, maxReported+1) + min(b, maxReported+1) }

// judge says whether a report counts, if proxies report at an interval. It is pure.
func (r clusterReport) judge(interval time.Duration) string {
	switch {
	case r.span < 0 || max(r.issued, r.succeeded, r.failed, r.open) > maxReported:
		return reportImpossible
	case r.span > reportReconnect+2*interval+reportTolerance:
		return reportLate
	}
	return reportCounted
}

// since gives the counts of a report when so many requests were open at the one before, if anybody knows. It is pure.
//
// Whatever went out has ended or is open; whatever ended went out or never got that far:
//
//	open before + issued + unconnected = succeeded + failed + abandoned + open now
func (r clusterReport) since(before uint64, known bool) LoadCounts {
	out := LoadCounts{Issued: r.issued, Succeeded: r.succeeded, Failed: r.failed}
	if !known {
		return out
	}
	in, ended := before+r.issued, r.succeeded+r.failed+r.open
	if in > ended {
		out.Abandoned = in - ended
	} else {
		out.Unconnected = min(ended-in, r.failed)
	}
	return out
}

// loadIntervalFor is how often each of so many proxies reports. It is pure.
func loadIntervalFor(reporting int) time.Duration {
	return loadInterval * time.Duration(max(1, (reporting+reportsPerSecond-1)/reportsPerSecond))
}
