package envoy

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCertificateFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	crt, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if _, err := LoadCertificate(crt, key, nil); err == nil {
		t.Error("no files, and no error")
	}
	writeCertificates(t, dir)
	var log bytes.Buffer
	c, err := LoadCertificate(crt, key, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c.now = func() time.Time { return now }
	get := func() []byte {
		t.Helper()
		now = now.Add(certificateCheck)
		pair, err := c.Get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Certificate[0]
	}
	// touch makes the change visible on file systems with coarse times.
	touch := func() {
		for _, path := range []string{crt, key} {
			if err := os.Chtimes(path, now, now.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
		}
	}

	first := get()
	if !bytes.Equal(get(), first) {
		t.Error("another certificate, although nothing changed")
	}
	oldKey, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	writeCertificates(t, dir)
	newKey, _ := os.ReadFile(key)
	if err := os.WriteFile(key, oldKey, 0o600); err != nil {
		t.Fatal(err)
	}
	touch()
	if !bytes.Equal(get(), first) || log.Len() == 0 {
		t.Error("half of a rotation must keep the last pair, and say so")
	}
	if err := os.WriteFile(key, newKey, 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	touch()
	if bytes.Equal(get(), first) {
		t.Error("the new pair is not used")
	}
}
