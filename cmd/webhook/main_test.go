package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-mesh/sluice/cmd/webhook/settings"
	"github.com/sluice-mesh/sluice/test/realkube"
)

func TestMain(m *testing.M) { os.Exit(realkube.Main(m)) }

// TestProcess runs the process as it is run: flags in, ready when it can answer, and after SIGTERM first not ready,
// then gone.
func TestProcess(t *testing.T) {
	config := realkube.Start(t)
	t.Setenv("KUBECONFIG", realkube.Kubeconfig(t, config))
	namespace := realkube.Namespace(t, config, nil)
	hooks, health, metrics := freePort(t), freePort(t), freePort(t)
	s, err := settings.Parse([]string{
		"--namespace=" + namespace, fmt.Sprintf("--port=%d", hooks), fmt.Sprintf("--health-address=127.0.0.1:%d", health),
		fmt.Sprintf("--metrics-address=127.0.0.1:%d", metrics), "--shutdown-delay=2s",
	}, func(string) string { return "" }, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run(s) }()

	ready := func() (int, string) { return fetch(fmt.Sprintf("http://127.0.0.1:%d/readyz?verbose", health)) }
	until(t, "ready", func() bool { code, _ := ready(); return code == http.StatusOK })
	if code, _ := fetch(fmt.Sprintf("http://127.0.0.1:%d/healthz", health)); code != http.StatusOK {
		t.Errorf("/healthz: %d", code)
	}
	_, text := fetch(fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics))
	for _, want := range []string{"sluice_webhook_certificate_expiry_timestamp_seconds{", "sluice_webhook_duration_seconds_bucket{"} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	serves := func() bool {
		conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", hooks), &tls.Config{InsecureSkipVerify: true}) // it is tried, not trusted
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
	if !serves() {
		t.Error("ready, and does not serve")
	}

	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "not ready after SIGTERM", func() bool { code, _ := ready(); return code == http.StatusInternalServerError })
	if !serves() {
		t.Error("stopped serving while its endpoint may still be in use")
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("does not end")
	}
}

func fetch(url string) (int, string) {
	response, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

func until(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if check() {
			return
		}
	}
	t.Fatalf("not within 30 s: %s", what)
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestLogIsJSONWithTheUsualKeys(t *testing.T) {
	var out bytes.Buffer
	logger(&out, slog.LevelInfo).Info("hello", "pod", "demo/podinfo")
	for _, want := range []string{`"ts":"`, `"level":"info"`, `"msg":"hello"`, `"pod":"demo/podinfo"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s lacks %s", out.String(), want)
		}
	}
}
