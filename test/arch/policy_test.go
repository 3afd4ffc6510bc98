package arch

// This table is policy: which package may know what, and why.
// When a build fails here, change the design, not the table.

// layer says what a package of ours may import of ours; the key matches the package and everything below it,
// the longest key wins.
type layer struct {
	// may lists import path prefixes below pkg/ that are allowed.
	may []string
	// pure packages compute only: no clock, no network, no files, no logs, no randomness.
	pure bool
	// why is printed with a violation.
	why string
}

var layers = map[string]layer{
	"pkg/api":      {may: []string{"pkg/api"}, pure: true, why: "the API is data that everything else imports"},
	"pkg/gate":     {may: nil, pure: true, why: "a judge knows counters and nothing else"},
	"pkg/inject":   {may: []string{"pkg/api"}, pure: true, why: "a patch follows from the pod, its target and the config"},
	"pkg/mesh":     {may: []string{"pkg/api"}, pure: true, why: "the model follows from the snapshot, and knows no Envoy"},
	"pkg/xds":      {may: []string{"pkg/mesh", "pkg/api/sluice"}, pure: true, why: "Envoy must not learn about the custom resources"},
	"pkg/canary":   {may: []string{"pkg/gate", "pkg/api"}, pure: true, why: "the plan follows from spec, state and observation"},
	"pkg/validate": {may: []string{"pkg/mesh", "pkg/canary", "pkg/api"}, pure: true, why: "one rulebook, the same at apply, in lint and at the start of a rollout"},

	"pkg/kube":         {may: []string{"pkg/kube", "pkg/canary", "pkg/gate", "pkg/metric/query", "pkg/notify/alert", "pkg/validate", "pkg/inject", "pkg/xds", "pkg/mesh", "pkg/api"}, why: "doors never import each other: cmd passes them in"},
	"pkg/envoy":        {may: []string{"pkg/envoy", "pkg/xds", "pkg/mesh", "pkg/gate", "pkg/api/sluice"}, why: "this door talks to Envoy and does not know Kubernetes"},
	"pkg/metric/query": {may: []string{"pkg/api"}, pure: true, why: "a query follows from its text and the Canary"},
	"pkg/metric":       {may: []string{"pkg/metric", "pkg/api"}, why: "this door asks metric providers"},
	"pkg/notify/alert": {may: []string{"pkg/api"}, pure: true, why: "a request follows from the message and its destination"},
	"pkg/notify":       {may: []string{"pkg/notify", "pkg/api"}, why: "this door speaks HTTP to webhooks and alert channels"},

	"cmd": {may: []string{"pkg", "cmd"}, why: "mains wire packages together"},
}

// banned imports of pure packages: path prefix to reason.
var banned = map[string]string{
	"sigs.k8s.io/controller-runtime": "pure packages do not talk to Kubernetes",
	"k8s.io/client-go":               "pure packages do not talk to Kubernetes",
	"google.golang.org/grpc":         "pure packages do not talk to anybody",
	"net":                            "pure packages do not talk to anybody (net/netip and net/url are values)",
	"os":                             "pure packages read no files and no environment",
	"log":                            "pure packages never log: what happened is in what they return",
	"github.com/go-logr/logr":        "pure packages never log: what happened is in what they return",
	"math/rand":                      "pure packages give the same output for the same input",
	"crypto/rand":                    "pure packages give the same output for the same input",
	"syscall":                        "pure packages compute only",
}

// values are exceptions to banned: packages below a banned prefix that are plain data.
var values = []string{"net/netip", "net/url"}

// bannedCalls are selectors that pure packages must not use: the clock is a parameter.
var bannedCalls = map[string]string{
	"time.Now":   "time is an input",
	"time.Since": "time is an input",
	"time.Until": "time is an input",
	"time.Sleep": "waiting is the caller's",
	"time.After": "waiting is the caller's",
}

// gcpOnly: of go-control-plane, xds may use the messages; only envoy may use the cache and the server.
const (
	gcpCache  = "github.com/envoyproxy/go-control-plane/pkg/cache"
	gcpServer = "github.com/envoyproxy/go-control-plane/pkg/server"
)

// stdlibOnly are files that must import the standard library alone.
var stdlibOnly = map[string]string{
	"pkg/mesh/model.go": "the model is plain data",
	"pkg/mesh/names.go": "the names of Envoy's objects depend on nothing",
}

// badNames are package names that say nothing.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "types", "base", "shared"}
