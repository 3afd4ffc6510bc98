package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/manifest"
	"github.com/sluice-mesh/sluice/cmd/webhook/settings"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	kubemesh "github.com/sluice-mesh/sluice/pkg/kube/mesh"
)

// injectOptions are the flags of inject.
type injectOptions struct {
	files, with []string
	fromCluster bool
	output      string
	// settings are the webhook's, as its own flags.
	settings []string
}

func injectCommand(s *shell) *cobra.Command {
	var o injectOptions
	cmd := &cobra.Command{
		Use:   "inject -f FILE [--with MESH_FILES | --from-cluster] [-- WEBHOOK_SETTINGS]",
		Short: "Print workloads with the proxy in them, as the webhook would make their pods",
		Long: `Print manifests with the proxy added to the pods and pod templates in them: what the webhook would make of the pods when
they are created. To see it, to compare it, or to apply it where the webhook is not to run. The webhook leaves alone what
was injected so.

Everything else is printed as it came, to the byte: documents of other kinds, and workloads that get no proxy. In what is
changed, comments and the order of fields are kept. What became of each workload is told on standard error, with the reason.

Virtual nodes, gateways, meshes and Namespaces come from the files of -f and --with. A namespace that is in no file is taken
to be labelled enabled. The settings are the webhook's: those of its Deployment, if one of the files has that, else their
defaults; after -- the webhook's own flags follow, which have the last word. With --from-cluster objects of the mesh and
settings are those of the cluster.

Exit codes:
  0  every pod gets what it asks for: a proxy, or none
  1  everything is printed, but a pod would be refused, or something could not be read and is printed as it came
  2  nothing is printed: no such file, no cluster, a setting is wrong`,
		Example: `  # what becomes of my deployment?
  diff app.yaml <(kubectl sluice inject -f app.yaml --with mesh/)

  # in a pipeline, with the settings of an overlay
  kustomize build app | kubectl sluice inject -f - --with mesh/ --with sluice/ | kubectl apply -f -

  # try a setting
  kubectl sluice inject -f app.yaml --with mesh/ -- --memory-request=64Mi

  # as the cluster would do it now
  kubectl sluice inject -f app.yaml --from-cluster

  # which settings are there?
  kubectl sluice inject -- --help`,
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
				return fmt.Errorf("%q: files are given with -f, and settings of the webhook after --", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.settings = args
			return s.inject(cmd.Context(), o)
		},
	}
	cmd.Flags().StringSliceVarP(&o.files, "filename", "f", nil, "file or directory to print, or - for standard input; may be repeated")
	cmd.Flags().StringSliceVar(&o.with, "with", nil, "file or directory with objects of the mesh, Namespaces or the webhook's Deployment, which are not printed; may be repeated")
	cmd.Flags().BoolVar(&o.fromCluster, "from-cluster", false, "take objects of the mesh, Namespaces and settings from the cluster")
	choice(cmd, &o.output, "output", "o", "json or yaml; as it came if not given", "json", "yaml")
	return cmd
}

func (s *shell) inject(ctx context.Context, o injectOptions) error {
	if slices.ContainsFunc(o.settings, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" }) {
		if _, err := settings.Parse([]string{"--help"}, noEnv, s.Out); !errors.Is(err, flag.ErrHelp) {
			return err
		}
		return nil
	}
	if len(o.files) == 0 {
		return errors.New("say what to print: -f FILE, or -f - for standard input")
	}
	if o.fromCluster && len(o.with) > 0 {
		return errors.New("take the mesh from files, --with, or from the cluster, --from-cluster, not both")
	}
	if o.output != "" && o.output != "json" && o.output != "yaml" {
		return unknownOutput(o.output, "yaml", "json")
	}
	documents, with, err := s.injectable(o)
	if err != nil {
		return err
	}
	namespace := s.fileNamespace()
	var c injector
	var lost []loss
	if o.fromCluster {
		namespace = s.namespace()
		c, err = s.clusterInjector(ctx, o.settings)
		lost = unreadable(documents)
	} else {
		c, lost, err = s.fileInjector(slices.Concat(documents, with), o.settings)
	}
	if err != nil {
		return err
	}
	for _, l := range lost {
		s.line(red, "error", l.text)
	}
	p := injectPrinter{shell: s, injector: c, namespace: namespace, output: o.output, ok: len(lost) == 0}
	for _, d := range documents {
		if err := p.print(d); err != nil {
			return err
		}
	}
	if !p.ok {
		return errFound
	}
	return nil
}

// injectable reads what is to be printed, and what goes with it.
func (s *shell) injectable(o injectOptions) (documents, with []manifest.Document, err error) {
	if slices.Contains(o.files, manifest.Stdin) && slices.Contains(o.with, manifest.Stdin) {
		return nil, nil, errors.New("standard input can be read once: for -f or for --with")
	}
	reader := manifest.Reader{Stdin: s.In}
	if documents, err = reader.Open(o.files); err != nil {
		return nil, nil, err
	}
	with, err = reader.Open(o.with)
	return documents, with, err
}

// unreadable is what cannot be read of the documents.
func unreadable(documents []manifest.Document) (lost []loss) {
	for _, d := range documents {
		_, problems := d.Objects()
		for _, p := range problems {
			lost = append(lost, loss{text: p.String()})
		}
	}
	return lost
}

// fileInjector takes everything from the documents. What could not be read of them comes apart.
func (s *shell) fileInjector(documents []manifest.Document, extra []string) (injector, []loss, error) {
	reader := manifest.Reader{Namespace: s.fileNamespace(), ClusterScoped: clusterScoped, Wanted: func(kind schema.GroupKind) bool {
		return kubemesh.InSnapshot(kind) || kind == deploymentKind
	}}
	objects, problems := reader.Objects(documents)
	deployment := slices.IndexFunc(objects, isWebhook)
	var arguments []string
	namespace := s.system
	if deployment >= 0 {
		arguments, namespace = webhookArguments(objects[deployment]), objects[deployment].GetNamespace()
	}
	parsed, err := parseSettings(namespace, slices.Concat(arguments, extra))
	if err != nil {
		return injector{}, nil, err
	}
	in := snapshotInput(objects, problems)
	for _, remark := range in.remarks {
		s.warn(spell(remark.Object) + ": " + remark.Err.Error())
	}
	return newInjector(in, parsed.Namespace, parsed.Inject), in.lost, nil
}

// clusterInjector takes everything from the cluster.
func (s *shell) clusterInjector(ctx context.Context, extra []string) (injector, error) {
	config, err := s.restConfig()
	if err != nil {
		return injector{}, err
	}
	deployment, err := getWorkload(ctx, config, s.system, "deployment/"+sluice.WebhookService)
	if err != nil {
		return injector{}, fmt.Errorf("read the webhook's settings: %w", err)
	}
	ipv6, err := meshHasIPv6(ctx, config, s.system)
	if err != nil {
		return injector{}, err
	}
	// The webhook finds out by its own addresses, unless a flag says so.
	arguments := append([]string{"--ipv6=" + strconv.FormatBool(ipv6)}, webhookArguments(deployment)...)
	parsed, err := parseSettings(s.system, append(arguments, extra...))
	if err != nil {
		return injector{}, err
	}
	in, err := fromCluster(ctx, config)
	if err != nil {
		return injector{}, err
	}
	return newInjector(in, s.system, parsed.Inject), nil
}

// parseSettings reads flags of the webhook, whose processes are in a namespace.
func parseSettings(namespace string, arguments []string) (settings.Settings, error) {
	env := func(name string) string { return map[string]string{"POD_NAMESPACE": namespace}[name] }
	parsed, err := settings.Parse(arguments, env, io.Discard)
	if err != nil {
		return parsed, fmt.Errorf("settings of the webhook: %w", err)
	}
	return parsed, nil
}

func noEnv(string) string { return "" }

var deploymentKind = schema.GroupKind{Group: "apps", Kind: "Deployment"}

// isWebhook finds the webhook's own Deployment.
func isWebhook(o *unstructured.Unstructured) bool {
	return o.GroupVersionKind().GroupKind() == deploymentKind && o.GetLabels()[labelName] == sluice.WebhookService
}

// webhookArguments are the flags in the webhook's Deployment.
func webhookArguments(deployment *unstructured.Unstructured) []string {
	containers, _, _ := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		if c, ok := c.(map[string]any); ok && c["name"] == "webhook" {
			arguments, _, _ := unstructured.NestedStringSlice(c, "args")
			return arguments
		}
	}
	return nil
}
