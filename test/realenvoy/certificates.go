package realenvoy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// WithCertificates gives a configuration, as JSON or YAML, the files that its secrets name: Envoy loads them when it reads
// a configuration, and those of a pod are not on this machine. All name the same certificate, which signs itself. It comes
// back as JSON.
func WithCertificates(t testing.TB, config []byte) []byte {
	t.Helper()
	var tree any
	if err := yaml.Unmarshal(config, &tree); err != nil {
		t.Fatal(err)
	}
	chain, key := selfSigned(t)
	rewriteFiles(tree, "", map[string]string{"certificatechain": chain, "trustedca": chain, "privatekey": key})
	out, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rewriteFiles replaces the file names in fields that hold one, and the directories that are watched beside them. JSON
// spells fields in two ways.
func rewriteFiles(tree any, field string, files map[string]string) {
	switch tree := tree.(type) {
	case []any:
		for _, v := range tree {
			rewriteFiles(v, "", files)
		}
	case map[string]any:
		field = strings.ToLower(strings.ReplaceAll(field, "_", ""))
		for name, v := range tree {
			switch {
			case name == "filename" && files[field] != "":
				tree[name] = files[field]
			case name == "path" && field == "watcheddirectory":
				tree[name] = filepath.Dir(files["privatekey"])
			default:
				rewriteFiles(v, name, files)
			}
		}
	}
}

func selfSigned(t testing.TB) (chain, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	chain, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, block := range map[string]*pem.Block{chain: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return chain, key
}
