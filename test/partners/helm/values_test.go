package helm

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sluice-mesh/sluice/test/realkube"
)

// TestValuesOfThePredecessors: a file of values for App Mesh's controller or for Flagger goes on working.
func TestValuesOfThePredecessors(t *testing.T) {
	kubeconfig := realkube.Kubeconfig(t, realkube.Start(t))
	for name, c := range map[string]struct {
		// ignored are the values that the notes name.
		ignored []string
		// args are flags that the processes get.
		args map[string][]string
		// check looks at what no flag shows.
		check func(t *testing.T, process string, d *appsv1.Deployment)
	}{
		"appmesh-controller": {
			ignored: []string{"region", "accountId", "xray", "cloudMapDNS", "sidecar.envoyAdminAccessPort", "sidecar.waitUntilProxyReady", "sidecar.probes", "sidecar.lifecycleHooks.postStartTimeout"},
			args: map[string][]string{
				"webhook": {
					"--proxy-log-level=debug", "--cpu-request=100m", "--memory-request=64Mi", "--memory-limit=256Mi", "--drain-delay=20",
					"--init-image=registry.example.com/init:v7", "--enable-stats-tags=true", "--enable-statsd=true", "--statsd-address=10.1.2.3", "--statsd-port=8126",
					"--enable-jaeger-tracing=true", "--jaeger-address=jaeger.tracing", "--jaeger-port=9411", "--tracing-sampling-rate=0.1", "--enable-sds=true", "--log-level=debug",
				},
				"mesh": {"--log-level=debug"},
			},
			check: func(t *testing.T, process string, d *appsv1.Deployment) {
				pod := d.Spec.Template
				c := pod.Spec.Containers[0]
				if want := int32(3); process != "canary" && *d.Spec.Replicas != want {
					t.Errorf("%d replicas of %s, want %d", *d.Spec.Replicas, process, want)
				}
				if pod.Spec.NodeSelector["pool"] != "system" || len(pod.Spec.Tolerations) != 1 || pod.Labels["team"] != "platform" || len(pod.Annotations) != 1 {
					t.Errorf("%s: its place, labels or annotations are not those of the values: %+v", process, pod)
				}
				if c.Resources.Limits.Memory().String() != "1Gi" || c.Resources.Requests.Memory().String() != "200Mi" {
					t.Errorf("%s: resources %+v", process, c.Resources)
				}
				if last := c.Env[len(c.Env)-1]; last.Name != "HTTPS_PROXY" || c.Env[0].Name == "HTTPS_PROXY" {
					t.Errorf("%s: variables %+v", process, c.Env)
				}
			},
		},
		"flagger": {
			args: map[string][]string{
				"webhook": {"--log-level=warn"}, "mesh": {"--log-level=warn"},
				"canary": {
					"-log-level=warn", "-metrics-server=http://prometheus.monitoring:9090", "-namespace=shop", "-selector-labels=app,name", "-enable-config-tracking=false",
					"-event-webhook=http://events.example.com/", "-cluster-name=production", "-no-cross-namespace-refs=true", "-slack-user=releases", "-slack-channel=#releases",
					"-msteams-url=https://teams.example.com/hook", "-kubeconfig-qps=50", "-kubeconfig-burst=100", "-workers=8",
				},
			},
			check: func(t *testing.T, process string, d *appsv1.Deployment) {
				pod := d.Spec.Template.Spec
				c := pod.Containers[0]
				if pod.PriorityClassName != "important" || c.ImagePullPolicy != "Always" || len(pod.ImagePullSecrets) != 1 || pod.ImagePullSecrets[0].Name != "regcred" {
					t.Errorf("%s: priority, pull policy or pull secrets: %+v", process, pod)
				}
				if s := c.SecurityContext; *s.RunAsUser != 10001 || !*s.ReadOnlyRootFilesystem {
					t.Errorf("%s: the context of the values replaces ours instead of being laid over it: %+v", process, s)
				}
				if last := c.Env[len(c.Env)-1]; last.ValueFrom == nil || last.ValueFrom.SecretKeyRef.Name != "slack" {
					t.Errorf("%s: variables %+v", process, c.Env)
				}
				if process == "canary" && *d.Spec.Replicas != 2 {
					t.Errorf("%d replicas of canary", *d.Spec.Replicas)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + name + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			rendered := objects(t, render(t, "helm 4", string(text)))
			for _, process := range []string{"webhook", "mesh", "canary"} {
				d := &appsv1.Deployment{}
				if err := runtime.DefaultUnstructuredConverter.FromUnstructured(rendered["Deployment "+namespace+"/sluice-"+process], d); err != nil {
					t.Fatal(err)
				}
				args := d.Spec.Template.Spec.Containers[0].Args
				for _, want := range c.args[process] {
					if !slices.Contains(args, want) {
						t.Errorf("%s lacks %s: %q", process, want, args)
					}
				}
				accepts(t, process, args)
				c.check(t, process, d)
			}
			out, problem, err := run(t, "helm 4", "install", "sluice", chart, "--dry-run=server", "--kubeconfig", kubeconfig, "--namespace", namespace, "--create-namespace", "--values", "testdata/"+name+".yaml")
			if err != nil {
				t.Fatalf("%v\n%s", err, problem)
			}
			_, notes, _ := strings.Cut(out, "NOTES:")
			for _, path := range c.ignored {
				if !strings.Contains(notes, "\n  "+path+": ") {
					t.Errorf("the notes do not say that %s has no effect:\n%s", path, notes)
				}
			}
			if told := strings.Count(notes, ": nothing of AWS is called"); len(c.ignored) == 0 && told > 0 {
				t.Errorf("the notes tell of values that are not set:\n%s", notes)
			}
		})
	}
}

// accepts asks a process whether it knows its flags: help is printed only if all before it could be read.
func accepts(t *testing.T, process string, args []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"run", "./cmd/" + process}, args...), "--help")...)
	cmd.Dir = "../../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s does not take the flags that the chart gives it: %v\n%s", process, err, out)
	}
}

// TestMistakesStopTheInstallation, with a sentence that says which value, and what to write.
func TestMistakesStopTheInstallation(t *testing.T) {
	for values, want := range map[string]string{
		"imagee: {tag: v1}":                         "imagee",
		"sidecar: {loglevel: debug}":                "loglevel",
		"logLevel: loud":                            "logLevel",
		"replicaCount: many":                        "replicaCount",
		"failurePolicy: {pods: Open}":               "pods",
		"tracing: {enabled: true, provider: x-ray}": `tracing.provider is "x-ray", and upstream Envoy has no X-Ray tracer: choose opentelemetry`,
		"meshProvider: istio":                       "meshProvider is istio, and there is one provider, appmesh",
		"sidecar: {image: {repository: 840364872350.dkr.ecr.us-west-2.amazonaws.com/aws-appmesh-envoy}}": "sidecar.image.repository is 840364872350.dkr.ecr.us-west-2.amazonaws.com/aws-appmesh-envoy, an image of App Mesh or Flagger: leave it out",
		"image: {repository: ghcr.io/fluxcd/flagger}":                                                    "image.repository is ghcr.io/fluxcd/flagger, an image of App Mesh or Flagger",
	} {
		t.Run(values, func(t *testing.T) {
			_, problem, err := run(t, "helm 4", "template", "sluice", chart, "--kube-version", kubernetes, "--values", file(t, values))
			if err == nil || !strings.Contains(problem, want) {
				t.Errorf("got %v\n%s\nwant %s", err, problem, want)
			}
		})
	}
}

// TestTheSameEveryTime: what GitOps renders again and again has to be the same, and must not depend on what is in the
// cluster, which they do not let it see.
func TestTheSameEveryTime(t *testing.T) {
	values := "demo: {enabled: true}\ncni: {enabled: true}\n"
	if render(t, "helm 4", values) != render(t, "helm 4", values) {
		t.Error("rendered twice, and different")
	}
	templates, err := os.ReadDir(chart + "/templates")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range templates {
		text, err := os.ReadFile(chart + "/templates/" + entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"lookup", "rand", "genCA", "genSelfSigned", "genSigned", "genPrivateKey", "uuidv4", " now", ".Revision", ".IsUpgrade", ".IsInstall"} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s: %s", entry.Name(), word)
			}
		}
	}
}
