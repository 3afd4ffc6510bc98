package metric

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// datadogServer answers GET /api/v1/query as Datadog documents it.
func datadogServer(t *testing.T, answer func(w http.ResponseWriter, from, to int64)) Query {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method != http.MethodGet || r.URL.Path != "/api/v1/query" || r.URL.Query().Get("query") != "avg:requests.errors{app:podinfo}" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if r.Header.Get("DD-API-KEY") != "api-hush" || r.Header.Get("DD-APPLICATION-KEY") != "app-hush" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors":["Forbidden"]}`)
			return
		}
		from, errFrom := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
		to, errTo := strconv.ParseInt(r.URL.Query().Get("to"), 10, 64)
		if errFrom != nil || errTo != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer(w, from, to)
	}))
	t.Cleanup(server.Close)
	return Query{
		Provider:    canaryv1beta1.MetricTemplateProvider{Type: "datadog", Address: server.URL},
		Credentials: map[string][]byte{"datadog_api_key": []byte("api-hush"), "datadog_application_key": []byte("app-hush\n")},
		Interval:    time.Minute, Text: "avg:requests.errors{app:podinfo}",
	}
}

func TestDatadog(t *testing.T) {
	series := func(points string) func(http.ResponseWriter, int64, int64) {
		return func(w http.ResponseWriter, _, _ int64) {
			fmt.Fprintf(w, `{"status":"ok","res_type":"time_series","error":"","series":[{"interval":20,"metric":"requests.errors","pointlist":[%s]}]}`, points)
		}
	}
	now := time.Now()
	point := func(ago time.Duration, value string) string {
		return fmt.Sprintf("[%d.0,%s]", now.Add(-ago).UnixMilli(), value)
	}
	for sentence, c := range map[string]struct {
		answer func(http.ResponseWriter, int64, int64)
		key    string
		want   string
	}{
		"the newest bucket that is over": {series(point(10*time.Minute, "1") + "," + point(40*time.Second, "2.5") + "," + point(5*time.Second, "9")), "", "2.5"},
		"a bucket without a value":       {series(point(60*time.Second, "1.5") + "," + point(40*time.Second, "null")), "", "1.5"},
		"no bucket is over":              {series(point(5*time.Second, "9")), "", "no values"},
		"no point":                       {series(""), "", "no values"},
		"no series": {func(w http.ResponseWriter, _, _ int64) {
			fmt.Fprint(w, `{"status":"ok","error":"","series":[]}`)
		}, "", "no values"},
		"ten intervals are asked for": {func(w http.ResponseWriter, from, to int64) {
			fmt.Fprintf(w, `{"status":"ok","series":[{"interval":1,"pointlist":[[%d,%d]]}]}`, (to-60)*1000, to-from)
		}, "", "600"},
		"an error inside of an answer": {func(w http.ResponseWriter, _, _ int64) {
			fmt.Fprint(w, `{"status":"error","error":"Error parsing query: unexpected character"}`)
		}, "", "Error parsing query: unexpected character"},
		"keys that are refused": {series(""), "wrong", `403 Forbidden: {"errors":["Forbidden"]}`},
	} {
		t.Run(sentence, func(t *testing.T) {
			q := datadogServer(t, c.answer)
			if c.key != "" {
				q.Credentials["datadog_api_key"] = []byte(c.key)
			}
			if got := said(t, q); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// said is what came of a question, in words.
func said(t *testing.T, q Query) string {
	t.Helper()
	return words(NewClient(nil).Ask(t.Context(), q))
}

func words(value float64, found bool, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case !found:
		return "no values"
	}
	return fmt.Sprint(value)
}
