package conflist

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// calico is as it comes: indented, with keys that nobody but Calico knows.
const calico = `{
  "name": "k8s-pod-network",
  "cniVersion": "0.3.1",
  "plugins": [
    {
      "type": "calico",
      "policy": {"type": "k8s"},
      "mtu": 0
    },
    {"type": "portmap", "snat": true, "capabilities": {"portMappings": true}}
  ],
  "x-unknown": [1.0, {"a": "\u00e9"}]
}
`

const ours = `{"type": "sluice-cni", "capabilities": {"io.kubernetes.cri.pod-annotations": true}}`

func TestAdd(t *testing.T) {
	withOurs := strings.Replace(calico, `"portMappings": true}}`, `"portMappings": true}},`+"\n    "+ours, 1)
	tests := map[string]struct{ in, want, err string }{
		"behind the others, set off as they are":       {calico, withOurs, ""},
		"a second time: nothing changes":               {withOurs, withOurs, ""},
		"without a line break":                         {`{"plugins":[{"type":"ptp"}]}`, `{"plugins":[{"type":"ptp"},` + ours + `]}`, ""},
		"an older entry of ours is replaced":           {`{"plugins":[{"type":"ptp"} , {"type":"sluice-cni","x":1} ]}`, `{"plugins":[{"type":"ptp"} , ` + ours + ` ]}`, ""},
		"where somebody came behind us, we stay":       {`{"plugins":[{"type":"ptp"},` + ours + `,{"type":"istio-cni"}]}`, `{"plugins":[{"type":"ptp"},` + ours + `,{"type":"istio-cni"}]}`, ""},
		"twice is once too often":                      {`{"plugins":[{"type":"ptp"},` + ours + `, {"type":"a"}, ` + ours + `]}`, `{"plugins":[{"type":"ptp"},` + ours + `, {"type":"a"}]}`, ""},
		"a version of the specification's beginnings":  {`{"cniVersion":"0.1.0","plugins":[{"type":"a"}]}`, `{"cniVersion":"0.1.0","plugins":[{"type":"a"},` + ours + `]}`, ""},
		"an empty version":                             {`{"cniVersion":"","plugins":[{"type":"a"}]}`, `{"cniVersion":"","plugins":[{"type":"a"},` + ours + `]}`, ""},
		"half a file":                                  {calico[:100], "", "it is no JSON, or only half of it"},
		"nothing":                                      {"", "", "it is no JSON, or only half of it"},
		"two files in one":                             {calico + calico, "", "it is no JSON, or only half of it"},
		"a list":                                       {`[]`, "", "it is no JSON object"},
		"a single plugin":                              {`{"type":"ptp"}`, "", `it has no "plugins"`},
		"plugins that are no list":                     {`{"plugins":{"type":"ptp"}}`, "", `its "plugins" are no list`},
		"no plugin":                                    {`{"plugins":[ ]}`, "", "it has no plugin to be chained to"},
		"nobody but us":                                {`{"plugins":[` + ours + `]}`, "", "it has no plugin to be chained to"},
		"a plugin that is none":                        {`{"plugins":[{"type":"a"},null]}`, "", "one of its plugins has no type"},
		"two lists, of which nobody knows who is read": {`{"plugins":[{"type":"a"}],"plugins":[{"type":"b"}]}`, "", `it has "plugins" twice`},
		"a version that we do not speak": {`{"cniVersion":"9.0.0","plugins":[{"type":"a"}]}`, "",
			`its cniVersion "9.0.0" is none of those that sluice-cni speaks (0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0)`},
		"a version that we might have to speak": {`{"cniVersion":"1.0.0","cniVersions":["1.0.0","9.0.0"],"plugins":[{"type":"a"}]}`, "",
			`its cniVersion "9.0.0" is none of those that sluice-cni speaks (0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0)`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Add([]byte(tc.in))
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Errorf("got %v, want %s", err, tc.err)
				}
				return
			}
			if diff := cmp.Diff(tc.want, string(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"not there":            {calico, calico},
		"the last":             {`{"plugins":[{"type":"a"},` + "\n" + ours + "\n]}", `{"plugins":[{"type":"a"}` + "\n]}"},
		"the first":            {`{"plugins":[ ` + ours + `, {"type":"a"}]}`, `{"plugins":[ {"type":"a"}]}`},
		"between":              {`{"plugins":[{"type":"a"}, ` + ours + `, {"type":"b"}]}`, `{"plugins":[{"type":"a"}, {"type":"b"}]}`},
		"the only one":         {`{"plugins":[ ` + ours + ` ]}`, `{"plugins":[ ]}`},
		"however often":        {`{"plugins":[` + ours + `,{"type":"a"},` + ours + `]}`, `{"plugins":[{"type":"a"}]}`},
		"of a foreign version": {`{"cniVersion":"9.0.0","plugins":[{"type":"a"},` + ours + `]}`, `{"cniVersion":"9.0.0","plugins":[{"type":"a"}]}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Remove([]byte(tc.in))
			if diff := cmp.Diff(tc.want, string(got)); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestActive(t *testing.T) {
	tests := map[string]struct {
		names []string
		want  string
	}{
		"the first by name":              {[]string{"200-loopback.conf", "10-calico.conflist", "05-cilium.conflist.cilium_bak"}, "10-calico.conflist"},
		"a single plugin may come first": {[]string{"10-calico.conflist", "00-multus.conf"}, "00-multus.conf"},
		"what is being written is none":  {[]string{".sluice-cni.tmp", "calico-kubeconfig"}, ""},
		"an empty folder":                {nil, ""},
	}
	for name, tc := range tests {
		if got := Active(tc.names); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// FuzzEdit holds the laws: what is added can be taken away again without a trace, adding twice is adding once, and
// everybody else's plugins and fields are what they were.
func FuzzEdit(f *testing.F) {
	for _, seed := range []string{calico, `{"plugins":[{"type":"a"},` + ours + `]}`, `{"plugins" : [ {"type":"a"} ]} `, `{"plugins":[` + ours + `,` + ours + `,{"TYPE":"a"}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := slices.Clone(text)
		added, err := Add(text)
		if err != nil {
			return
		}
		if !bytes.Equal(text, before) {
			t.Fatal("the input changed")
		}
		again, err := Add(added)
		if err != nil || !bytes.Equal(added, again) {
			t.Fatalf("a second time: %v, %s and %s", err, added, again)
		}
		without, err := Remove(text)
		if err != nil {
			t.Fatal(err)
		}
		removed, err := Remove(added)
		if err != nil || !bytes.Equal(removed, without) {
			t.Fatalf("%v: added to and removed from\n%s\ngives\n%s, not\n%s", err, text, removed, without)
		}
		if !strings.Contains(string(added), entry) {
			t.Fatalf("%s is without us", added)
		}
		if got, want := others(t, added), others(t, text); !cmp.Equal(got, want) {
			t.Fatalf("others: %s", cmp.Diff(want, got))
		}
	})
}

// others is everything in a conflist that is not ours.
func others(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var all map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	l, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	plugins, _ := all["plugins"].([]any)
	for _, i := range slices.Backward(l.ours()) {
		plugins = slices.Delete(plugins, i, i+1)
	}
	all["plugins"] = plugins
	return all
}
