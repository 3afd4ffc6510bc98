package manyhands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// perSecond is how many requests each pod answers.
const perSecond = 50

// doors are the stats ports of pods, each on a loopback address of its own. All pods count the same.
type doors struct {
	server *http.Server
	start  time.Time
	read   atomic.Int64
	page   page

	mu     sync.Mutex
	opened int
	body   []byte
	at     time.Duration
}

// page is the recorded answer of a real Envoy.
type page struct {
	Stats []map[string]any `json:"stats"`
}

func newDoors(recording string) (*doors, error) {
	text, err := os.ReadFile(recording)
	if err != nil {
		return nil, err
	}
	d := &doors{start: time.Now()}
	if err := json.Unmarshal(text, &d.page); err != nil {
		return nil, fmt.Errorf("read %s: %w", recording, err)
	}
	d.server = &http.Server{Handler: d, ReadHeaderTimeout: time.Minute}
	return d, nil
}

// open returns the address of a new pod.
func (d *doors) open() (string, error) {
	d.mu.Lock()
	d.opened++
	n := d.opened
	d.mu.Unlock()
	address := fmt.Sprintf("127.%d.%d.%d", 100+n>>16, n>>8&255, n&255)
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address, sluice.StatsPort))
	if err != nil {
		return "", err
	}
	go func() { _ = d.server.Serve(l) }() // until the server is closed
	return address, nil
}

func (d *doors) close() {
	if err := d.server.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, "close the stats ports:", err)
	}
}

// ServeHTTP is the recorded page with the counts of this moment.
func (d *doors) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	d.read.Add(1)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(d.now())
}

// resolution is how often the counts go up.
const resolution = 100 * time.Millisecond

func (d *doors) now() []byte {
	since := time.Since(d.start).Truncate(resolution)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.body == nil || since != d.at {
		d.at, d.body = since, d.page.with(since)
	}
	return d.body
}

// with counts the requests of so long, all of them good and fast, and nothing else.
func (p page) with(since time.Duration) []byte {
	requests := int(since.Seconds() * perSecond)
	for _, stat := range p.Stats {
		name, _ := stat["name"].(string)
		switch name[strings.LastIndexByte(name, '.')+1:] {
		case "":
			for _, h := range each(stat["histograms"]) {
				for _, bucket := range each(h["buckets"]) {
					bucket["cumulative"], bucket["interval"] = requests, 0
				}
			}
		case "upstream_rq_2xx", "upstream_rq_completed":
			stat["value"] = requests
		case "uptime":
			stat["value"] = int(since.Seconds()) + 1
		default:
			stat["value"] = 0
		}
	}
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(p); err != nil {
		panic(err) // it was decoded from JSON
	}
	return out.Bytes()
}

// each are the objects of a JSON list.
func each(list any) (out []map[string]any) {
	items, _ := list.([]any)
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			out = append(out, object)
		}
	}
	return out
}
