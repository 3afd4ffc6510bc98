package validate

// appMeshPrefix starts the ids of the rules that App Mesh's own webhooks had.
const appMeshPrefix = "AM"

// Place is where a rule speaks; places are combined with |.
type Place uint8

const (
	// Admission is a request to the API server.
	Admission Place = 1 << iota
	// Lint is the command line, on files or on a live cluster.
	Lint
	// Audit is the background check of what is stored.
	Audit
	// RolloutStart is the moment before a canary takes its first step.
	RolloutStart

	// Everywhere is all of them.
	Everywhere = Admission | Lint | Audit | RolloutStart
	// AtWrite is where somebody is about to store something.
	AtWrite = Admission | Lint
)

// Rule is one line of the rulebook.
type Rule struct {
	// ID is stable: people search for it, count it and make exceptions for it.
	ID string
	// Worst is the most severe that the rule can be; what a finding gets depends on the case.
	Worst Severity
	// Kinds are the objects it is checked on, in either order of arrival.
	Kinds []string
	// Speaks says where it is checked.
	Speaks Place
	// Why is one sentence: what breaks without the rule.
	Why string
}

// Kinds outside App Mesh's group.
const (
	kindCanary = "Canary"
	kindHPA    = "HorizontalPodAutoscaler"
)

var (
	canaryAndHPA = []string{kindCanary, kindHPA}
	onlyCanary   = []string{kindCanary}
	inMesh       = []string{"VirtualNode", "VirtualService", "VirtualRouter", "VirtualGateway", "GatewayRoute", "BackendGroup"}
	onlyGR       = []string{"GatewayRoute"}
	served       = []string{"Mesh", "VirtualNode", "VirtualService", "VirtualRouter", "VirtualGateway", "GatewayRoute"}
)

// rulebook is the whole rulebook on one screen, sorted by id.
var rulebook = []Rule{
	// ---- ours: canaries and their autoscalers
	{"SL001", Deny, canaryAndHPA, Everywhere, "without autoscalerRef the autoscaler keeps scaling the idle target and the primary never scales"},
	{"SL003", Deny, canaryAndHPA, Everywhere, "an autoscalerRef to an autoscaler of something else would give the primary the wrong capacity"},
	{"SL007", Deny, canaryAndHPA, Everywhere, "two autoscalers of one target overwrite each other's replicas for ever"},
	{"SL011", Warn, canaryAndHPA, AtWrite | Audit, "a proxy that is busy or idle moves an autoscaler that means the application"},
	{"SL018", Deny, onlyCanary, Everywhere, "two Canaries of one target undo each other's traffic weights and replicas"},
	{"SL022", Deny, onlyCanary, Everywhere, "what cannot be copied and scaled cannot be released"},
	{"SL029", Deny, onlyCanary, Everywhere, "steps that do not climb leave the release where it is, with traffic on it"},
	{"SL030", Deny, onlyCanary, Everywhere, "weights beyond the maximum, or beyond 100, are not what was asked for"},
	{"SL031", Deny, onlyCanary, Everywhere, "a release moves by weights or by iterations: with none it hangs, with both it is anyone's guess"},

	{"SL071", Warn, onlyCanary, Everywhere, "a provider that is not served moves no traffic"},

	// ---- ours: what the control plane says of an object of the mesh
	{"SL101", Deny, served, AtWrite | Audit, "what cannot be served as it says is found out by its callers otherwise"},
	{"SL102", Deny, served, AtWrite | Audit, "App Mesh refused it too, out of sight; it is a mistake nearly always"},
	{"SL103", Warn, served, AtWrite | Audit, "a field that does nothing is not silent"},
	{"SL104", Warn, served, AtWrite | Audit, "a name that nothing has leads nowhere, for now or for ever"},

	// ---- App Mesh's: what its webhooks refused, word for word
	{"AM001", Deny, append([]string{"Mesh"}, inMesh...), Admission, "names and membership are keys that other objects and proxies hold"},
	{"AM002", Deny, []string{"Mesh"}, AtWrite, "an address family that does not exist cannot be preferred"},
	{"AM003", Deny, []string{"VirtualNode"}, AtWrite, "callers could not find the endpoints of the listener"},
	{"AM004", Deny, []string{"VirtualNode"}, AtWrite, "one backend cannot have two client policies"},
	{"AM005", Deny, []string{"VirtualNode", "VirtualGateway"}, AtWrite, "a listener speaks one protocol and has one pool"},
	{"AM006", Deny, []string{"VirtualRouter"}, AtWrite, "routes are told apart by their names"},
	{"AM007", Deny, []string{"VirtualRouter"}, AtWrite, "a route matches by prefix or by path"},
	{"AM008", Deny, onlyGR, AtWrite, "a gateway route has one type"},
	{"AM009", Deny, onlyGR, AtWrite, "a gateway route needs to say what it matches, once"},
	{"AM010", Deny, onlyGR, AtWrite, "a header is matched in one way"},
	{"AM011", Deny, onlyGR, AtWrite, "a query parameter is matched exactly"},
	{"AM012", Deny, onlyGR, AtWrite, "a metadata entry is matched in one way"},
	{"AM013", Deny, onlyGR, AtWrite, "a rewrite says what to write, once"},
	{"AM014", Deny, onlyGR, AtWrite, "a gRPC gateway route matches by service or by host name"},
	{"AM015", Deny, inMesh, Admission, "membership follows from selectors, so a different value would be a lie"},
	{"AM016", Deny, inMesh, Admission, "an object belongs to exactly one mesh, that of its namespace"},
	{"AM017", Deny, onlyGR, Admission, "a gateway route belongs to exactly one gateway of its mesh"},
	{"AM018", Deny, []string{"Mesh", "VirtualGateway"}, Admission, "the proxies of its members would lose what they are configured by"},
}

// Rules returns a copy of the rulebook, for documentation and command lines.
func Rules() []Rule { return append([]Rule(nil), rulebook...) }

// places maps a rule's id to where it speaks.
var places = func() map[string]Place {
	m := map[string]Place{}
	for _, rule := range rulebook {
		m[rule.ID] = rule.Speaks
	}
	return m
}()

// speaks reports whether a rule is heard at a place; the zero place is Admission.
func speaks(id string, at Place) bool {
	if at == 0 {
		at = Admission
	}
	return places[id]&at != 0
}
