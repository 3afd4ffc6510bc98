package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"

	"github.com/sluice-mesh/sluice/cmd/kubectl-sluice/manifest"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/validate"
)

// lintOptions are the flags of lint.
type lintOptions struct {
	files            []string
	live             bool
	complete         bool
	warningsAsErrors bool
	output           string
	// world is what the flags say of the cluster: its policy, and what tells the versions of a target apart.
	world validate.World
}

func lintCommand(s *shell) *cobra.Command {
	var o lintOptions
	cmd := &cobra.Command{
		Use:   "lint -f FILE | --live",
		Short: "Say what would break a release, by the rules of the webhook",
		Long: `Check manifests, or what a cluster holds, by the rulebook: the same rules by which the webhook refuses at apply, the
audit writes conditions, and a rollout does not start.

Canaries are checked with the autoscalers, workloads, budgets and objects of the mesh that are in the same files. What is
not in the files may be in the cluster, so nothing is said about it, unless --complete says that they are all there is.

Each finding has the id of its rule. An object lets a rule pass with an annotation, which says why:
  sluice.dev/exempt: "SL004: one pod is enough here; SL040: judged by hand"

Exit codes:
  0  nothing is wrong, or there are only warnings
  1  there are errors; with --warnings-as-errors, also when there are only warnings
  2  something could not be read, or the cluster does not answer`,
		Example: `  # a directory, before the commit
  kubectl sluice lint -f deploy/

  # what kustomize or Helm would apply
  kustomize build deploy | kubectl sluice lint -f - --complete
  helm template shop ./chart | kubectl sluice lint -f -

  # for a pipeline that shows findings beside the lines of a merge request
  kubectl sluice lint -f deploy/ -o sarif > findings.sarif

  # a cluster, before the webhook is installed there
  kubectl sluice lint --live`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.lint(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.files, "filename", "f", nil, "file or directory to check, or - for standard input; may be repeated")
	f.BoolVar(&o.live, "live", false, "check what the cluster holds")
	f.BoolVar(&o.complete, "complete", false, "what is not in the files does not exist")
	f.BoolVar(&o.warningsAsErrors, "warnings-as-errors", false, "exit with 1 when there are only warnings, too")
	o.world.Policy.Register(f)
	validate.RegisterSelectorLabels(f, &o.world.SelectorLabels)
	choice(cmd, &o.output, "output", "o", "json, yaml or sarif, instead of text", "json", "yaml", "sarif")
	return cmd
}

// linted is what lint looks at: objects, and where they came from.
type linted struct {
	objects []manifest.Located
	// known are the kinds of which all objects are among them.
	known []string
}

func (s *shell) lint(ctx context.Context, o lintOptions) error {
	var in linted
	var err error
	switch {
	case o.live == (len(o.files) > 0):
		return errors.New("say what to check: -f FILE, or --live")
	case o.live:
		in, err = s.lintLive(ctx)
	default:
		in, err = s.lintFiles(o)
	}
	lost := errors.Is(err, errFailed)
	if err != nil && !lost {
		return err
	}
	found, broken := judge(in, o.world)
	for _, text := range broken {
		s.line(red, "error", text)
	}
	if err := s.printFindings(found, o.output); err != nil {
		return err
	}
	switch {
	case lost || len(broken) > 0:
		return errFailed
	case worst(found) == validate.Deny, o.warningsAsErrors && len(found) > 0:
		return errFound
	}
	return nil
}

func (s *shell) lintFiles(o lintOptions) (linted, error) {
	var in linted
	reader := manifest.Reader{
		Stdin: s.In, Namespace: s.fileNamespace(), ClusterScoped: clusterScoped,
		Wanted: func(kind schema.GroupKind) bool { _, known := validate.KindOf(kind); return known },
	}
	documents, err := reader.Open(o.files)
	if err != nil {
		return in, err
	}
	objects, problems := reader.Located(documents)
	for _, p := range problems {
		s.line(red, "error", p.String())
		err = errFailed
	}
	in.objects = objects
	if o.complete {
		for _, kind := range validate.Kinds() {
			in.known = append(in.known, kind.Name)
		}
	}
	return in, err
}

// lintLive reads the cluster, as far as it has the kinds and we may. Of ConfigMaps and Secrets only the names are read.
func (s *shell) lintLive(ctx context.Context) (linted, error) {
	var in linted
	config, err := s.restConfig()
	if err != nil {
		return in, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return in, fmt.Errorf("connect to the cluster: %w", err)
	}
	names, err := metadata.NewForConfig(config)
	if err != nil {
		return in, fmt.Errorf("connect to the cluster: %w", err)
	}
	mapper, err := s.cluster.ToRESTMapper()
	if err != nil {
		return in, advised(err, config)
	}
	for _, kind := range validate.Kinds() {
		mapping, err := mapper.RESTMapping(schema.GroupKind{Group: kind.Group, Kind: kind.Name})
		if meta.IsNoMatchError(err) {
			continue // a cluster without KEDA, for example
		}
		if err != nil {
			return in, advised(err, config)
		}
		objects, err := listKind(ctx, client, names, mapping)
		if apierrors.IsForbidden(err) {
			s.warn(fmt.Sprintf("%s cannot be read, so nothing is said of them: %v", kind.Resource, err))
			continue
		}
		if err != nil {
			return in, advised(err, config)
		}
		in.objects = append(in.objects, objects...)
		in.known = append(in.known, kind.Name)
	}
	return in, nil
}

// namesOnly are the kinds whose content is nobody's business.
var namesOnly = []string{"ConfigMap", "Secret"}

// pageSize is how many objects are read at a time.
const pageSize = 500

func listKind(ctx context.Context, client dynamic.Interface, names metadata.Interface, mapping *meta.RESTMapping) ([]manifest.Located, error) {
	var out []manifest.Located
	options := metav1.ListOptions{Limit: pageSize}
	if slices.Contains(namesOnly, mapping.GroupVersionKind.Kind) {
		for {
			page, err := names.Resource(mapping.Resource).List(ctx, options)
			if err != nil {
				return nil, err
			}
			for i := range page.Items {
				u := &unstructured.Unstructured{Object: map[string]any{}}
				u.SetGroupVersionKind(mapping.GroupVersionKind)
				u.SetNamespace(page.Items[i].Namespace)
				u.SetName(page.Items[i].Name)
				u.SetAnnotations(page.Items[i].Annotations)
				out = append(out, manifest.Located{Object: u})
			}
			if options.Continue = page.Continue; options.Continue == "" {
				return out, nil
			}
		}
	}
	for {
		page, err := client.Resource(mapping.Resource).List(ctx, options)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			out = append(out, manifest.Located{Object: &page.Items[i]})
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return out, nil
		}
	}
}

// judge applies the rulebook. What cannot be decoded is told, and the rest is judged without it.
func judge(in linted, world validate.World) (found []finding, broken []string) {
	index := validate.NewIndex(in.known...)
	sources := map[mesh.ObjectRef]string{}
	for _, l := range in.objects {
		object, err := decodeRelated(l.Object)
		ref := mesh.ObjectRef{Kind: l.Object.GetKind(), Namespace: l.Object.GetNamespace(), Name: l.Object.GetName()}
		if err != nil {
			broken = append(broken, place(l.Source, ref)+": "+err.Error())
			continue
		}
		index.Set(ref.Kind, object)
		sources[ref] = l.Source
	}
	world.At = validate.Lint
	for _, judged := range validate.Survey(index, world) {
		for _, f := range judged.Findings {
			found = append(found, finding{Finding: f, object: judged.Object, source: sources[judged.Object]})
		}
	}
	return found, broken
}

// decodeRelated reads an object of one of the rulebook's kinds.
func decodeRelated(u *unstructured.Unstructured) (metav1.Object, error) {
	kind, known := validate.KindOf(u.GroupVersionKind().GroupKind())
	if !known {
		return nil, fmt.Errorf("%s is no kind of the rulebook", u.GroupVersionKind())
	}
	raw, err := u.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return kind.Decode(raw)
}
