package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	rest := " 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 2"
	for stat, want := range map[string]uint64{
		"7 (etcd) S" + rest:            987654,
		"7 (a) b (c) R" + rest:         987654, // names may hold anything
		"7 (containerd-shim) Z" + rest: 0,      // a zombie is gone
		"7 (etcd) S 1":                 0,
	} {
		got, err := parseStat(stat)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("parseStat(%q) = %d, %v", stat, got, err)
		}
	}
}

func TestARecycledNumberIsNotOurs(t *testing.T) {
	start, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if (Record{}).Alive() {
		t.Error("an empty record is nobody")
	}
	if r := (Record{PID: os.Getpid(), Start: start}); !r.Alive() {
		t.Error("this very process should count as alive")
	}
	recycled := Record{PID: os.Getpid(), Start: start - 1}
	if recycled.Alive() {
		t.Error("a process with the same number and another start is a stranger")
	}
}

func TestStartAndStop(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	if err := Start(Spec{Name: "sleeper", Argv: []string{"/bin/sh", "-c", "echo $WORD; exec sleep 60"}, Env: []string{"WORD=hello"}, Log: log}, dir); err != nil {
		t.Fatal(err)
	}
	all, err := Records(dir)
	if err != nil || len(all) != 1 || all[0].Name != "sleeper" || !all[0].Alive() {
		t.Fatalf("got %+v, %v", all, err)
	}
	printed := func() string { content, _ := os.ReadFile(log); return string(content) }
	for deadline := time.Now().Add(5 * time.Second); printed() == "" && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	all[0].Stop(5 * time.Second)
	if all[0].Alive() {
		t.Error("it still runs")
	}
	if got := printed(); got != "hello\n" {
		t.Errorf("logged %q", got)
	}
}
