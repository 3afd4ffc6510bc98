package validate

import "github.com/sluice-mesh/sluice/pkg/mesh"

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
	kindCanary         = "Canary"
	kindMetricTemplate = "MetricTemplate"
	kindAlertProvider  = "AlertProvider"
	kindHPA            = "HorizontalPodAutoscaler"
	kindScaledObject   = "ScaledObject"
	kindVPA            = "VerticalPodAutoscaler"
	kindDeployment     = "Deployment"
	kindDaemonSet      = "DaemonSet"
	kindService        = "Service"
	kindPDB            = "PodDisruptionBudget"
	kindQuota          = "ResourceQuota"
	kindConfigMap      = "ConfigMap"
	kindSecret         = "Secret"
	kindNamespace      = "Namespace"
	kindJob            = "Job"
	kindCronJob        = "CronJob"

	kindMesh           = mesh.KindMesh
	kindVirtualNode    = mesh.KindVirtualNode
	kindVirtualService = mesh.KindVirtualService
	kindVirtualRouter  = mesh.KindVirtualRouter
	kindVirtualGateway = mesh.KindVirtualGateway
	kindGatewayRoute   = mesh.KindGatewayRoute
	kindBackendGroup   = mesh.KindBackendGroup
)

var (
	canaryAndHPA     = []string{kindCanary, kindHPA}
	canaryAndScalers = []string{kindCanary, kindHPA, kindScaledObject}
	canaryAndTargets = []string{kindCanary, kindDeployment, kindDaemonSet}
	onlyCanary       = []string{kindCanary}
	onlyHPA          = []string{kindHPA}
	needed           = []string{kindDeployment, kindDaemonSet, kindMetricTemplate, kindAlertProvider, kindService, kindVirtualNode, kindVirtualRouter, kindVirtualService}
	madeByRollout    = []string{kindVirtualRouter, kindVirtualNode, kindVirtualService, kindDeployment, kindDaemonSet, kindHPA, kindScaledObject, kindService}
	inMesh           = []string{"VirtualNode", "VirtualService", "VirtualRouter", "VirtualGateway", "GatewayRoute", "BackendGroup"}
	onlyGR           = []string{"GatewayRoute"}
	served           = []string{"Mesh", "VirtualNode", "VirtualService", "VirtualRouter", "VirtualGateway", "GatewayRoute"}
	servedAndCanary  = append([]string{kindCanary}, served...)
)

// rulebook is the whole rulebook on one screen, sorted by id.
var rulebook = []Rule{
	// ---- ours: canaries and their autoscalers
	{"SL001", Deny, canaryAndHPA, Everywhere, "without autoscalerRef the autoscaler keeps scaling the idle target and the primary never scales"},
	{"SL002", Deny, onlyCanary, Everywhere, "a primary whose autoscaler is not there does not scale"},
	{"SL003", Deny, canaryAndScalers, Everywhere, "an autoscalerRef to an autoscaler of something else would give the primary the wrong capacity"},
	{"SL004", Warn, canaryAndScalers, AtWrite | Audit, "one pod is an outage whenever its node goes"},
	{"SL005", Warn, canaryAndScalers, AtWrite | Audit, "a canary that waits has zero replicas, so zero cannot mean anything else"},
	{"SL006", Deny, onlyCanary, AtWrite | Audit, "an autoscaler whose minimum is above its maximum is not accepted, and the primary would have none"},
	{"SL007", Deny, canaryAndHPA, Everywhere, "two autoscalers of one target overwrite each other's replicas for ever"},
	{"SL008", Warn, onlyCanary, AtWrite | Audit, "an autoscaler that counts what another one changes chases it"},
	{"SL009", Deny, onlyHPA, AtWrite | Audit, "the primary's autoscaler is made from the target's, and a second one fights it"},
	{"SL010", Warn, onlyHPA, AtWrite | Audit, "utilization is a share of the request, and of no request it is nothing"},
	{"SL011", Warn, canaryAndHPA, AtWrite | Audit, "a proxy that is busy or idle moves an autoscaler that means the application"},
	{"SL012", Warn, onlyHPA, AtWrite | Audit, "an autoscaler that watches a container that is not there never scales"},
	{"SL013", Warn, []string{kindDeployment}, AtWrite, "replicas in Git set back what the autoscaler decided, at every apply"},
	{"SL014", Warn, []string{kindDeployment}, Admission, "a target that waits has no pods; who gives it some gets them taken away again"},
	{"SL015", Deny, []string{kindHPA, kindScaledObject}, Admission, "the primary's autoscaler follows the target's, so without it the primary stops scaling"},
	{"SL016", Warn, onlyHPA, Admission, "a lower maximum waits until the rollout has ended, for a rollback needs the pods"},
	{"SL017", Deny, onlyHPA, Lint, "Kubernetes has dropped the old versions of autoscaling, and refuses what still has them"},

	// ---- ours: names, and what is released
	{"SL018", Deny, onlyCanary, Everywhere, "two Canaries of one target undo each other's traffic weights and replicas"},
	{"SL019", Deny, onlyCanary, Everywhere, "two Canaries of one service take each other's callers"},
	{"SL020", Deny, onlyCanary, Everywhere, "what somebody else made is never overwritten, so the release would stop there"},
	{"SL021", Deny, onlyCanary, Everywhere, "a name that is too long is refused when it is made, in the middle of the first release"},
	{"SL022", Deny, onlyCanary, Everywhere, "what cannot be copied and scaled cannot be released"},
	{"SL023", Deny, onlyCanary, Everywhere, "a Canary of nothing waits for ever"},
	{"SL024", Deny, onlyCanary, Admission, "the primary of the former target would serve users, and nobody would look after it"},
	{"SL025", Deny, onlyCanary, Admission, "callers know the former name, and nobody would look after it"},
	{"SL026", Deny, canaryAndTargets, Everywhere, "two versions are told apart by a label that the target selects by"},
	{"SL027", Deny, canaryAndTargets, Everywhere, "a target that selects the pods of its primary too adopts and deletes them"},
	{"SL028", Deny, canaryAndTargets, Everywhere, "two controllers of one workload undo each other's work"},

	// ---- ours: how a release moves, and what judges it
	{"SL029", Deny, onlyCanary, Everywhere, "steps that do not climb leave the release where it is, with traffic on it"},
	{"SL030", Deny, onlyCanary, Everywhere, "weights beyond the maximum, or beyond 100, are not what was asked for"},
	{"SL031", Deny, onlyCanary, Everywhere, "a release moves by weights or by iterations: with none it hangs, with both it is anyone's guess"},
	{"SL032", Warn, onlyCanary, AtWrite | Audit, "an A/B test counts iterations; without them it is a shift of weights among few"},
	{"SL033", Deny, onlyCanary, Everywhere, "a match that nobody can make selects nobody"},
	{"SL034", Warn, onlyCanary, AtWrite | Audit, "checks come as often as they can, not as often as was written"},
	{"SL035", Warn, onlyCanary, AtWrite | Audit, "a rate needs two samples"},
	{"SL036", Warn, onlyCanary, AtWrite | Audit, "no failed check at all is not a number of failed checks"},
	{"SL037", Warn, canaryAndTargets, AtWrite | Audit, "a release that has less time than its pods take to start is always rolled back"},
	{"SL038", Deny, onlyCanary, Everywhere, "a metric that cannot be measured never passes, so no release ends well"},
	{"SL039", Deny, onlyCanary, Everywhere, "a range that no value is in never passes, and one that every value is in judges nothing"},
	{"SL040", Warn, onlyCanary, AtWrite | Audit, "a release that nothing judges is a rollout with more steps"},
	{"SL041", Deny, onlyCanary, Everywhere, "a webhook that nobody can call fails at every call"},
	{"SL042", Warn, onlyCanary, AtWrite | Audit, "a fraction of a failed check or of a second is not what was meant, and stops Flagger altogether"},

	// ---- ours: the mesh around a release
	{"SL043", Deny, onlyCanary, Everywhere, "a Service of a port that nothing listens on answers nobody"},
	{"SL044", Warn, []string{kindVirtualNode}, AtWrite | Audit, "a proxy that sends to a port that nothing listens on answers 503"},
	{"SL045", Deny, onlyCanary, Everywhere, "without a mesh and proxies there is no traffic to shift"},
	{"SL046", Warn, []string{kindVirtualRouter}, AtWrite | Audit, "the share of a virtual node that is not there is answered with 503"},
	{"SL047", Deny, []string{kindVirtualRouter}, AtWrite | Audit, "weights that are no shares of anything send requests nowhere"},
	{"SL048", Deny, madeByRollout, Admission, "what a rollout made is put back while it runs, and until then users see what nobody judged"},
	{"SL049", Deny, needed, Admission, "what a release serves users with cannot go before it"},
	{"SL050", Warn, onlyCanary, AtWrite | Audit, "callers whose proxies do not know the virtual service pass its split by"},
	{"SL051", Warn, []string{kindVirtualNode}, AtWrite | Audit, "a pod that two virtual nodes select is refused"},
	{"SL052", Warn, canaryAndTargets, AtWrite | Audit, "pods without a proxy count no requests, and nothing judges them"},
	{"SL053", Deny, onlyCanary, Everywhere, "users are kept on a version by a cookie of its own, and by a proxy that sets it"},
	{"SL054", Deny, onlyCanary, Everywhere, "requests are copied by a proxy, a share of them"},
	{"SL055", Warn, onlyCanary, AtWrite | Audit, "tries that do not fit into the timeout never happen; tries of copied requests happen twice"},

	// ---- ours: the cluster around a release
	{"SL056", Warn, []string{kindCanary, kindPDB}, AtWrite | Audit, "a budget of the wrong pods protects nobody, one without any slack blocks every node"},
	{"SL057", Deny, canaryAndTargets, Everywhere, "the promotion updates the primary while it serves users"},
	{"SL058", Deny, canaryAndTargets, Everywhere, "a paused workload starts nothing, so its release never does"},
	{"SL059", Warn, canaryAndTargets, AtWrite | Audit, "a pod that does not say when it is ready gets requests before it is"},
	{"SL060", Warn, onlyCanary, AtWrite | Audit, "primary and canary run side by side, and a quota that holds one of them only stops the release"},
	{"SL061", Warn, onlyCanary, AtWrite | Audit, "traffic that is too much for the pods that the canary may have fails releases that are good"},
	{"SL062", Warn, onlyCanary, AtWrite | Audit, "traffic that comes back at once meets a primary that has shrunk"},
	{"SL063", Warn, onlyCanary, AtWrite | Audit, "a canary that shrinks between two checks is judged for its size"},
	{"SL064", Warn, []string{kindDeployment, kindDaemonSet}, AtWrite | Audit, "an annotation that the injector never sees does nothing"},
	{"SL065", Warn, canaryAndTargets, AtWrite | Audit, "pods do not start without what they read, and all that read the same are released at once"},
	{"SL066", Warn, canaryAndTargets, AtWrite | Audit, "two versions that write to one disk damage it, or wait for each other"},
	{"SL067", Warn, onlyCanary, AtWrite | Audit, "what was skipped once for a reason is easily skipped for ever"},
	{"SL068", Warn, onlyCanary, AtWrite | Audit, "an alert that goes nowhere is found out on the day it was for"},
	{"SL069", Deny, onlyCanary, RolloutStart | Audit, "a release moves traffic to and fro, and a primary that cannot scale cannot take it back"},
	{"SL070", Warn, []string{kindJob, kindCronJob}, AtWrite, "a Job ends when all its containers have"},
	{"SL071", Warn, onlyCanary, Everywhere, "a provider that is not served moves no traffic"},
	{"SL072", Warn, []string{kindMetricTemplate}, AtWrite | Audit, "a metric that nobody can be asked for holds every release that needs it"},
	{"SL073", Deny, []string{kindMetricTemplate}, AtWrite | Audit, "a query that cannot be written out cannot be asked"},
	{"SL074", Deny, []string{kindAlertProvider}, AtWrite | Audit, "an alert without an address reaches nobody"},
	{"SL075", Warn, onlyCanary, AtWrite | Audit, "a rate that is too high rolls good releases back, one that is too low finds bad ones late"},

	// ---- ours: what the control plane says of an object of the mesh
	{"SL101", Deny, served, AtWrite | Audit, "what cannot be served as it says is found out by its callers otherwise"},
	{"SL102", Deny, served, AtWrite | Audit, "App Mesh refused it too, out of sight; it is a mistake nearly always"},
	{"SL103", Warn, servedAndCanary, AtWrite | Audit, "a field that does nothing is not silent"},
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

// byID finds a rule of the table.
var byID = func() map[string]Rule {
	m := map[string]Rule{}
	for _, rule := range rulebook {
		m[rule.ID] = rule
	}
	return m
}()

// speaks reports whether a rule is heard at a place; the zero place is Admission.
func speaks(id string, at Place) bool {
	if at == 0 {
		at = Admission
	}
	return byID[id].Speaks&at != 0
}
