package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/skel"
	"github.com/google/nftables"
	"github.com/vishvananda/netns"

	"github.com/sluice-mesh/sluice/cmd/sluice-cni/conflist"
	"github.com/sluice-mesh/sluice/test/podnet"
)

// TestMain lets this binary be the plugin when it is called as one, so that the tests call what a runtime calls: a
// process with its environment and its standard input.
func TestMain(m *testing.M) {
	if os.Getenv("CNI_COMMAND") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// asking are the annotations of a pod that the webhook injected.
const asking = `{"sluice.dev/redirected-by":"sluice-cni","appmesh.k8s.aws/ports":"8080","appmesh.k8s.aws/egressIgnoredPorts":"3306",
	"appmesh.k8s.aws/ignoredUID":"1337","appmesh.k8s.aws/proxyIngressPort":"15000","appmesh.k8s.aws/proxyEgressPort":"15001"}`

// previous is what the plugins before found, with something that only they know.
const previous = `{"cniVersion":"1.0.0","ips":[{"address":"10.217.0.1/24"}],"x-theirs":{"é":1}}`

// config is what a runtime writes to our standard input.
func config(annotations, previous string) string {
	text := `{"cniVersion":"1.0.0","name":"net","type":"sluice-cni","capabilities":{"io.kubernetes.cri.pod-annotations":true}`
	if annotations != "" {
		text += `,"runtimeConfig":{"io.kubernetes.cri.pod-annotations":` + annotations + `}`
	}
	if previous != "" {
		text += `,"prevResult":` + previous
	}
	return text + "}"
}

// called is the answer of the plugin.
type called struct {
	code int
	out  string
}

// message is that of the error.
func (c called) message(t *testing.T) string {
	t.Helper()
	var answer struct{ Msg string }
	if err := json.Unmarshal([]byte(c.out), &answer); err != nil {
		t.Fatalf("%s: %v", c.out, err)
	}
	return answer.Msg
}

func invoke(t *testing.T, command, path, config string) called {
	t.Helper()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), own)
	cmd.Env = []string{
		"CNI_COMMAND=" + command, "CNI_CONTAINERID=sandbox", "CNI_IFNAME=eth0", "CNI_PATH=/nowhere", "CNI_NETNS=" + path,
		"CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=demo;K8S_POD_NAME=web-1;K8S_POD_INFRA_CONTAINER_ID=x",
	}
	cmd.Stdin = strings.NewReader(config)
	var out bytes.Buffer
	cmd.Stdout = &out
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return called{code: cmd.ProcessState.ExitCode(), out: out.String()}
}

// pathOf leads to the namespace, as long as its handle is open.
func pathOf(ns netns.NsHandle) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(ns)) }

// TestPluginRedirects goes through the life of a pod that asks for it, with real connections.
func TestPluginRedirects(t *testing.T) {
	pod, outside := podnet.New(t), podnet.New(t)
	podnet.Connect(t, pod, outside)
	for _, e := range []podnet.Ends{podnet.IPv4, podnet.IPv6} {
		for _, port := range []int{15000, 15001, 8080} {
			podnet.Serve(t, pod, e, e.Pod, port)
		}
		for _, port := range []int{80, 3306} {
			podnet.Serve(t, outside, e, e.Outside, port)
		}
	}
	check := func(redirected bool) {
		t.Helper()
		for _, e := range []podnet.Ends{podnet.IPv4, podnet.IPv6} {
			for _, d := range []podnet.Dial{
				{Host: e.Pod, To: 8080, Want: 15000, Outside: true},
				{Host: e.Outside, To: 80, Want: 15001},
				{Host: e.Outside, To: 80, UID: 1337},
				{Host: e.Outside, To: 3306},
			} {
				from, want := pod, d.To
				if d.Outside {
					from = outside
				}
				if redirected && d.Want != 0 {
					want = d.Want
				}
				if got, err := d.From(t, from, e); err != nil || !strings.HasPrefix(got, fmt.Sprint(want, " for ")) {
					t.Errorf("%+v: got %q %v, want port %d", d, got, err, want)
				}
			}
		}
	}
	path := pathOf(pod)

	if got := invoke(t, "ADD", path, config(`{"other":"pod"}`, previous)); got != (called{0, previous}) {
		t.Errorf("ADD for a pod that does not ask: got %+v", got)
	}
	check(false)
	if got := invoke(t, "CHECK", path, config(`{"other":"pod"}`, previous)); got.code != 0 {
		t.Errorf("CHECK of a pod that does not ask: got %+v", got)
	}
	if got := invoke(t, "CHECK", path, config(asking, previous)); got.code == 0 || !strings.Contains(got.message(t), "table ip sluice: it has 0 chains instead of 2") {
		t.Errorf("CHECK before ADD: got %+v", got)
	}
	for range 2 { // runtimes try again
		if got := invoke(t, "ADD", path, config(asking, previous)); got != (called{0, previous}) {
			t.Fatalf("ADD: got %+v", got)
		}
		check(true)
	}
	if got := invoke(t, "CHECK", path, config(asking, previous)); got != (called{0, ""}) {
		t.Errorf("CHECK: got %+v", got)
	}
	podnet.In(t, pod, func() {
		conn, err := nftables.New()
		if err == nil {
			conn.FlushRuleset()
			err = conn.Flush()
		}
		if err != nil {
			t.Error(err)
		}
	})
	if got := invoke(t, "CHECK", path, config(asking, previous)); got.code == 0 {
		t.Errorf("CHECK after the rules were taken away: got %+v", got)
	}
	for _, path := range []string{path, "/var/run/netns/gone", ""} {
		if got := invoke(t, "DEL", path, config(asking, "")); got != (called{0, ""}) {
			t.Errorf("DEL with the network %q: got %+v", path, got)
		}
	}
}

// TestPluginInBadCompany: whatever the configuration is, a pod that does not ask gets its network, and one that does gets
// redirection or an error.
func TestPluginInBadCompany(t *testing.T) {
	pod := podnet.New(t)
	own, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	tests := map[string]struct {
		command, path, config string
		code                  int
		// out is all of the output, message a part of the error's.
		out, message string
	}{
		"a runtime that tells no annotations": {config: config("", previous), out: previous},
		"annotations that are none":           {config: config(`["x"]`, previous), out: previous},
		"no annotation":                       {config: config(`null`, previous), out: previous},
		"asking somebody else":                {config: config(`{"sluice.dev/redirected-by":"another-cni"}`, previous), out: previous},
		"nobody before us, who cares":         {config: config(`{}`, ""), out: "{}"},
		"a result that is none":               {config: config(`{}`, `"x"`), out: "{}"},
		"a result of the first version": {
			config: strings.Replace(config(`{}`, `{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.1/24"}}`), "1.0.0", "0.2.0", 1),
			out:    `{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.1/24"}}`,
		},
		"no version at all": {config: `{"name":"net","type":"sluice-cni","prevResult":` + previous + `}`, out: previous},
		"a network that is gone, for a pod that does not ask": {command: "CHECK", path: "/var/run/netns/gone", config: config(`{}`, previous)},
		"asks, with nobody before us":                         {config: config(asking, ""), code: 1, message: "redirect pod demo/web-1 to its proxy: no plugin ran before this one"},
		"asks, with a port by name": {
			config: config(`{"sluice.dev/redirected-by":"sluice-cni","appmesh.k8s.aws/ports":"http"}`, previous), code: 1,
			message: `redirect pod demo/web-1 to its proxy: read annotation appmesh.k8s.aws/ports: "http" is not a port`,
		},
		"asks, in a network that is gone":    {path: "/var/run/netns/gone", config: config(asking, previous), code: 1, message: "find the pod's network /var/run/netns/gone"},
		"asks, in the network of the node":   {path: pathOf(own), config: config(asking, previous), code: 1, message: "is the network of the node"},
		"asks, in something else":            {path: os.DevNull, config: config(asking, previous), code: 1, message: "enter the pod's network /dev/null"},
		"a configuration that is half there": {config: `{"cniVersion":"1.0.0","name":"net",`, code: 1, message: "unexpected end of JSON input"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.command == "" {
				tc.command = "ADD"
			}
			if tc.path == "" {
				tc.path = pathOf(pod)
			}
			got := invoke(t, tc.command, tc.path, tc.config)
			if got.code != tc.code {
				t.Fatalf("got %+v", got)
			}
			if tc.code == 0 && got.out != tc.out {
				t.Errorf("got %s, want %s", got.out, tc.out)
			}
			if tc.code != 0 && !strings.Contains(got.message(t), tc.message) {
				t.Errorf("got %s, want %s", got.out, tc.message)
			}
		})
	}
	// Nothing of ours may be in the network of whoever runs this test.
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := conn.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if table.Name == "sluice" {
			t.Error("there is a table sluice in the network of the node")
		}
	}
}

// TestRuntimeTellsAnnotations calls the plugin through the library that runtimes call plugins with, with the entry that the
// agent writes: what the entry declares is what makes a runtime tell the annotations, and it takes our answer.
func TestRuntimeTellsAnnotations(t *testing.T) {
	pod := podnet.New(t)
	text, err := conflist.Add([]byte(`{"name":"net","cniVersion":"1.0.0","plugins":[{"type":"ptp"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	list, err := libcni.NetworkConfFromBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	list.Plugins = list.Plugins[1:] // what is tried is ours
	dir := t.TempDir()
	if err := os.Symlink(own, filepath.Join(dir, list.Plugins[0].Network.Type)); err != nil {
		t.Fatal(err)
	}
	runtime := libcni.NewCNIConfigWithCacheDir([]string{dir}, t.TempDir(), nil)
	add := func(annotations map[string]string) error {
		_, err := runtime.AddNetworkList(t.Context(), list, &libcni.RuntimeConf{
			ContainerID: "sandbox", NetNS: pathOf(pod), IfName: "eth0", Args: [][2]string{{"K8S_POD_NAMESPACE", "demo"}, {"K8S_POD_NAME", "web-1"}},
			CapabilityArgs: map[string]any{"io.kubernetes.cri.pod-annotations": annotations},
		})
		return err
	}
	if err := add(map[string]string{"other": "pod"}); err != nil {
		t.Errorf("a pod that does not ask: %v", err)
	}
	// No plugin ran before, so that what asks is refused: it was heard.
	if err := add(map[string]string{"sluice.dev/redirected-by": "sluice-cni"}); err == nil || !strings.Contains(err.Error(), "redirect pod demo/web-1 to its proxy: no plugin ran before") {
		t.Errorf("a pod that asks: got %v", err)
	}
}

// FuzzAdd gives the plugin what a broken or hostile neighbour might write, in a network that is not there: a pod that does not
// ask gets what the plugins before found, one that asks gets an error, and nobody gets a panic.
func FuzzAdd(f *testing.F) {
	for _, annotations := range []string{"", asking, `{}`, `null`, `["x"]`, `{"sluice.dev/redirected-by":"sluice-cni","appmesh.k8s.aws/ports":","}`} {
		for _, previous := range []string{"", previous, "null", `"x"`, "[]", "{}"} {
			f.Add([]byte(config(annotations, previous)), "K8S_POD_NAMESPACE=demo;K8S_POD_NAME=web-1")
		}
	}
	f.Add([]byte(`{"runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"sluice.dev/redirected-by":"sluice-cni"}},"runtimeConfig":null}`), ";;=;")
	f.Fuzz(func(t *testing.T, stdin []byte, arguments string) {
		var out, remarks bytes.Buffer
		args := &skel.CmdArgs{StdinData: stdin, Args: arguments, Netns: "/var/run/netns/gone"}
		err := plugin{out: &out, remarks: &remarks}.add(args)
		c, unreadable := readCall(args)
		switch {
		case unreadable != nil:
			if err == nil {
				t.Fatal("what cannot be read was done")
			}
		case c.asks():
			if err == nil || out.Len() > 0 {
				t.Fatalf("it asks, and gets %s, %v", out.Bytes(), err)
			}
		case err != nil || !json.Valid(out.Bytes()) || len(c.previous) > 0 && !bytes.Equal(out.Bytes(), c.previous):
			t.Fatalf("it does not ask, and gets %s, %v", out.Bytes(), err)
		}
	})
}
