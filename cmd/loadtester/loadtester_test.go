package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// tester is a load tester behind a real HTTP server.
type tester struct {
	*httptest.Server
	runner *runner
	log    *bytes.Buffer
}

func newTester(t *testing.T, timeout time.Duration, namespaces string) *tester {
	t.Helper()
	return testerOf(t, config{timeout: timeout, maxTasks: 50}, namespaces)
}

func testerOf(t *testing.T, cfg config, namespaces string) *tester {
	t.Helper()
	log := &bytes.Buffer{}
	cfg.log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if namespaces != "" {
		cfg.namespace = regexp.MustCompile(namespaces)
	}
	if cfg.commands == nil {
		cfg.commands = &commands{}
	}
	r := newRunner(cfg)
	server := httptest.NewServer(newHandler(r, newGates(), cfg))
	t.Cleanup(func() {
		r.stop(0)
		server.Close()
	})
	return &tester{Server: server, runner: r, log: log}
}

func (s *tester) post(t *testing.T, path, body string) (int, string) {
	t.Helper()
	resp, err := http.Post(s.URL+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func (s *tester) get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestTasksAnswer(t *testing.T) {
	s := newTester(t, time.Minute, "^(test|demo)$")
	cases := map[string]struct {
		body   string
		status int
		want   string
	}{
		"a command without a type is queued":         {`{"name":"a","namespace":"test","metadata":{"cmd":"true"}}`, 202, ""},
		"type cmd is queued, even one that fails":    {`{"name":"a","namespace":"test","metadata":{"type":"cmd","cmd":"false"}}`, 202, ""},
		"bash answers when it has ended":             {`{"name":"a","namespace":"test","metadata":{"type":"bash","cmd":"[[ 1 -lt 2 ]] && echo hi"}}`, 200, ""},
		"bash returns its output if asked":           {`{"name":"a","namespace":"test","metadata":{"type":"bash","cmd":"echo hi","returnCmdOutput":"true"}}`, 200, "hi\n"},
		"bash that fails says what and why":          {`{"name":"a","namespace":"test","metadata":{"type":"bash","cmd":"echo no >&2; exit 3"}}`, 500, "command echo no >&2; exit 3 failed: no\n: exit status 3"},
		"an unknown type is refused":                 {`{"name":"a","namespace":"test","metadata":{"type":"shell","cmd":"test a"}}`, 400, "unknown task type shell, this load tester runs cmd and bash"},
		"a type that is dropped says what to do":     {`{"name":"a","namespace":"test","metadata":{"type":"ngrinder"}}`, 400, "task type ngrinder is not run by this load tester, which runs cmd and bash: start the test by curl, in a task of the type bash, against nGrinder's REST API"},
		"no metadata":                                {`{"name":"a","namespace":"test"}`, 400, "metadata not found in payload"},
		"no command":                                 {`{"name":"a","namespace":"test","metadata":{"type":"cmd"}}`, 400, "cmd not found in metadata"},
		"another namespace":                          {`{"name":"a","namespace":"prod","metadata":{"cmd":"true"}}`, 403, `forbidden: tasks of namespace "prod" are not run here`},
		"a body that is no JSON is the sender's bug": {`cmd=true`, 400, "decode the request body: invalid character 'c' looking for beginning of value"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			status, got := s.post(t, "/", tc.body)
			if status != tc.status || got != tc.want {
				t.Errorf("got %d %q, want %d %q", status, got, tc.status, tc.want)
			}
		})
	}
}

func TestBackgroundTaskRunsOncePerCanaryAtATime(t *testing.T) {
	s := newTester(t, time.Minute, "")
	dir := t.TempDir()
	// Each run leaves a line, then waits for the file that lets it end.
	command := "echo run >> " + dir + "/runs; while [ ! -e " + dir + "/end ]; do sleep 0.01; done"
	ask := func(canary string) {
		t.Helper()
		if status, text := s.post(t, "/", `{"name":"`+canary+`","namespace":"test","metadata":{"cmd":"`+command+`"}}`); status != 202 {
			t.Fatalf("%d %s", status, text)
		}
	}
	runs := func() int {
		text, _ := os.ReadFile(filepath.Join(dir, "runs"))
		return strings.Count(string(text), "run")
	}
	ask("a")
	ask("a") // the same load again, as every interval does
	ask("b") // another canary's load is another load
	eventually(t, "two runs", func() bool { return runs() == 2 })

	if err := os.WriteFile(filepath.Join(dir, "end"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.runner.work.Wait()
	ask("a") // it has ended, so it may start again
	eventually(t, "a third run", func() bool { return runs() == 3 })
}

func TestLogCmdOutput(t *testing.T) {
	s := newTester(t, time.Minute, "")
	s.post(t, "/", `{"name":"a","namespace":"test","metadata":{"cmd":"echo quiet-$((40+2))"}}`)
	s.post(t, "/", `{"name":"a","namespace":"test","metadata":{"cmd":"echo loud-$((40+2))","logCmdOutput":"true"}}`)
	s.runner.work.Wait()
	if log := s.log.String(); strings.Contains(log, "quiet-42") || !strings.Contains(log, "loud-42") {
		t.Errorf("output belongs in the log only if asked for:\n%s", log)
	}
}

func TestTimeoutKillsTheShellsChildrenToo(t *testing.T) {
	s := newTester(t, 50*time.Millisecond, "")
	// The shell waits for a child; killing the shell alone would leave the child, and its output, open for a minute.
	status, text := s.post(t, "/", `{"name":"a","namespace":"test","metadata":{"type":"bash","cmd":"sleep 60; true"}}`)
	if status != 500 || !strings.Contains(text, "deadline exceeded") {
		t.Errorf("got %d %q", status, text)
	}
}

func TestGates(t *testing.T) {
	s := newTester(t, time.Minute, "")
	const a, b = `{"name":"a","namespace":"test"}`, `{"name":"b","namespace":"test"}`
	steps := []struct {
		path, body string
		status     int
		want       string
	}{
		{"/gate/approve", a, 200, "OK"},
		{"/gate/halt", a, 403, "Forbidden"},
		{"/gate/check", a, 403, "Forbidden"},
		{"/gate/open", a, 202, ""},
		{"/gate/check", a, 200, "Approved"},
		{"/gate/check", b, 403, "Forbidden"},
		{"/rollback/check", a, 403, "Forbidden"},
		{"/rollback/open", a, 202, ""},
		{"/gate/close", a, 202, ""},
		{"/gate/check", a, 403, "Forbidden"},
		{"/rollback/check", a, 200, "Approved"},
		{"/rollback/close", a, 202, ""},
		{"/rollback/check", a, 403, "Forbidden"},
	}
	for i, step := range steps {
		if status, got := s.post(t, step.path, step.body); status != step.status || got != step.want {
			t.Errorf("step %d, %s: got %d %q, want %d %q", i, step.path, status, got, step.status, step.want)
		}
	}
}

func TestHealthAndMetrics(t *testing.T) {
	s := newTester(t, time.Minute, "")
	s.post(t, "/", `{"name":"a","namespace":"test","metadata":{"type":"bash","cmd":"true"}}`)
	for path, want := range map[string]string{
		"/healthz": "OK",
		"/metrics": `sluice_loadtester_tasks_ended_total{result="succeeded",shell="bash"} 1`,
	} {
		resp, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(text), want) {
			t.Errorf("%s: %d, %q is missing", path, resp.StatusCode, want)
		}
	}
}

func TestFlagsOfFlaggersManifests(t *testing.T) {
	cfg, err := parseFlags([]string{"-port=9091", "-log-level=info", "-timeout=30m", "-zap-encoding=json", "-zap-replace-globals"}, io.Discard)
	if err != nil || cfg.port != "9091" || cfg.timeout != 30*time.Minute || !cfg.door.careless || cfg.maxTasks != 50 {
		t.Errorf("%+v, %v", cfg, err)
	}
	if cfg, err = parseFlags(nil, io.Discard); err != nil || cfg.port != "9090" || cfg.timeout != time.Hour {
		t.Errorf("defaults: %+v, %v", cfg, err)
	}
	for want, args := range map[string][]string{
		"-namespace-regexp":  {"-namespace-regexp=("},
		"-log-level":         {"-log-level=loud"},
		"see -help":          {"-nonsense"},
		"-max-tasks":         {"-max-tasks=0"},
		"-auth":              {"-auth=maybe"},
		"has a slash":        {"-allow-commands=/bin/sh"},
		"read the authority": {"-auth=required", "-ca-file=/nowhere/ca.crt"},
	} {
		if _, err := parseFlags(args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v", args, err)
		}
	}
	var help bytes.Buffer
	if _, err := parseFlags([]string{"--help"}, &help); !errors.Is(err, errHelp) || !strings.Contains(help.String(), "namespace-regexp") {
		t.Errorf("help: %v\n%s", err, help.String())
	}
}

func TestRunStopsItsCommandsWhenToldTo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	cfg := config{port: port, timeout: time.Hour, maxTasks: 50, commands: &commands{}, log: slog.New(slog.DiscardHandler)}
	go func() { done <- run(ctx, cfg) }()

	url := "http://127.0.0.1:" + port
	eventually(t, "the port answers", func() bool {
		resp, err := http.Get(url + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	resp, err := http.Post(url, "application/json", strings.NewReader(`{"name":"a","namespace":"b","metadata":{"cmd":"sleep 600"}}`))
	if err != nil || resp.StatusCode != 202 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the load tester still waits for a command that it should have stopped")
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}
