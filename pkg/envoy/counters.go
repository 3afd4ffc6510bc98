package envoy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-mesh/sluice/pkg/gate"
)

// errNoIngress is what a pod answers whose Envoy has no app behind it: no counters is not the same as no traffic.
var errNoIngress = errors.New("its Envoy has no ingress cluster")

// statsQuery asks for the ingress clusters only: what the app behind this Envoy answered. The name of such a cluster
// ends with its port, which keeps out the copies that Envoy counts by origin (….external.upstream_rq_5xx).
// The uptime comes along because it tells one process from the next; /server_info would be 120 kB for the same.
var statsQuery = url.Values{
	"format":            {"json"},
	"histogram_buckets": {"cumulative"},
	"filter": {`^(cluster\.cds_ingress_.*_[0-9]+\.upstream_` +
		`(rq_(completed|[1-5]xx|timeout|per_try_timeout|rx_reset|tx_reset|time)|cx_connect_(fail|timeout)|` +
		`cx_destroy_remote_with_active_rq)|server\.uptime)$`},
}.Encode()

// reading is what one answer of the stats page says.
type reading struct {
	counters gate.Counters
	uptime   time.Duration
}

// statsPage is Envoy's JSON form: counters and gauges one by one, all histograms in the last element.
type statsPage struct {
	Stats []struct {
		Name       string          `json:"name"`
		Value      json.RawMessage `json:"value"`
		Histograms []struct {
			Name    string `json:"name"`
			Buckets []struct {
				Upper      float64 `json:"upper_bound"`
				Cumulative uint64  `json:"cumulative"`
			} `json:"buckets"`
		} `json:"histograms"`
	} `json:"stats"`
}

// parseStats adds up the ingress clusters of one Envoy. It is pure.
func parseStats(body []byte) (reading, error) {
	var page statsPage
	if err := json.Unmarshal(body, &page); err != nil {
		return reading{}, fmt.Errorf("read stats: %w", err)
	}
	var out reading
	var latency histogram
	found := false
	for _, stat := range page.Stats {
		for _, h := range stat.Histograms {
			for i, b := range h.Buckets {
				latency.add(i, b.Upper, b.Cumulative)
			}
		}
		var value uint64
		if stat.Name == "" || json.Unmarshal(stat.Value, &value) != nil {
			continue
		}
		if stat.Name == "server.uptime" {
			out.uptime = time.Duration(value) * time.Second
			continue
		}
		found = true
		count(&out.counters, stat.Name[strings.LastIndexByte(stat.Name, '.')+1:], value)
	}
	if !found {
		return reading{}, errNoIngress
	}
	out.counters.Latency = latency.closed()
	return out, nil
}

// count adds one of Envoy's counters to ours.
func count(c *gate.Counters, name string, value uint64) {
	switch name {
	case "upstream_rq_completed":
		c.Requests += value
	case "upstream_rq_1xx", "upstream_rq_2xx", "upstream_rq_3xx", "upstream_rq_4xx", "upstream_rq_5xx":
		c.Class[name[len("upstream_rq_")]-'0'] += value
	case "upstream_rq_timeout", "upstream_rq_per_try_timeout":
		c.Timeouts += value
	case "upstream_rq_rx_reset", "upstream_rq_tx_reset", "upstream_cx_destroy_remote_with_active_rq":
		// An app that crashes closes its connections, which HTTP/1 does not call a reset.
		c.Resets += value
	case "upstream_cx_connect_fail", "upstream_cx_connect_timeout":
		c.ConnectFailures += value
	}
}

// histogram adds up histograms that have the same bounds, as those of one Envoy do.
type histogram []gate.Bucket

func (h *histogram) add(i int, upper float64, cumulative uint64) {
	if i == len(*h) {
		*h = append(*h, gate.Bucket{UpperMS: upper})
	}
	if i < len(*h) && (*h)[i].UpperMS == upper {
		(*h)[i].Count += cumulative
	}
}

// closed appends the bar without a bound: Envoy leaves it out, its last bound being an hour.
func (h histogram) closed() []gate.Bucket {
	if len(h) == 0 {
		return nil
	}
	return append(h, gate.Bucket{UpperMS: math.Inf(1), Count: h[len(h)-1].Count})
}

// bootTolerance covers the age of the uptime in an answer: Envoy renews it at every flush of its stats, every 5 s unless
// the bootstrap says otherwise, and counts whole seconds.
const bootTolerance = 7 * time.Second

// process tells the Envoy processes of one pod apart.
type process struct {
	// first is when the process would have begun by its first answer; it names the epoch.
	first time.Time
	// started is the earliest such time of all answers, which comes closest.
	started time.Time
	uptime  time.Duration
}

// next returns the process that gave an answer at a time with an uptime: p itself, or a new one. It is pure.
func (p process) next(at time.Time, uptime time.Duration) process {
	started := at.Add(-uptime)
	// An uptime that did not move was not renewed since, and says nothing.
	same := uptime == p.uptime || uptime > p.uptime && started.Sub(p.started) < bootTolerance
	if p.first.IsZero() || !same {
		return process{first: started, started: started, uptime: uptime}
	}
	if started.Before(p.started) {
		p.started = started
	}
	p.uptime = uptime
	return p
}

func (p process) epoch() string { return p.first.UTC().Format(time.RFC3339Nano) }

// since returns when the process began, or the zero time if its answers do not tell: an uptime of nothing is what a new
// process has, and an old one whose stats were never flushed.
func (p process) since() time.Time {
	if p.uptime == 0 {
		return time.Time{}
	}
	return p.started
}
