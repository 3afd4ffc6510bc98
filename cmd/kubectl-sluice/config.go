package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// configOptions are the flags of config.
type configOptions struct {
	files         []string
	node, gateway string
	clusterDomain string
	// ipv6 is what mesh's flag of that name says; nil is not known.
	ipv6 *bool
	// fromProxy asks the pod's Envoy.
	fromProxy    bool
	output, part string
}

func configCommand(s *shell) *cobra.Command {
	o := configOptions{output: "yaml"}
	var ipv6 bool
	cmd := &cobra.Command{
		Use:   "config [TYPE/NAME]",
		Short: "Print the Envoy configuration of a virtual node, a virtual gateway or a pod",
		Long: `Print the Envoy configuration that mesh serves, or would serve, to the proxies of a virtual node or a virtual gateway.

What is printed is complete: listeners with their routes, clusters with their endpoints, and an admin interface on
127.0.0.1:9901. Envoy takes it as it is (envoy --mode validate -c FILE) and runs it without any control plane; certificates
are files of the pods, which Envoy then wants to read. With --part it is one part of that, as it goes to proxies.

The objects come from the cluster of your kubeconfig. TYPE is virtualnode, virtualgateway or pod; for a pod it counts what
it was bound to when it was created. With --from-proxy the pod's Envoy is asked what it has, and answers in the same form.

With -f they come from files, and no cluster is asked. Directories are walked for .yaml, .yml and .json; - is standard
input; kinds that do not matter are passed over. What only a cluster knows is made up for:
  - Objects without a namespace are in that of -n, or in "default".
  - Objects without meshRef belong to the Mesh that selects their namespace. A namespace that is in no file is taken to be
    selected if there is exactly one Mesh; a warning says so.
  - Endpoints are those of the EndpointSlices in the files, and with Cloud Map those of the Pods. For a Service without any
    EndpointSlice, Envoy asks DNS.

Problems of the objects are lines on standard error: an error if something was left out, a warning if all is served. From
files all are told; from a cluster those of the proxy's namespace and of its mesh.

Exit codes:
  0  the configuration is printed, and nothing was left out
  1  it is printed as far as possible, but an object could not be read, or not be served
  2  there is nothing to print: no such file, no such virtual node, no cluster`,
		Example: `  # what would change for callers of "web"? compare before and after
  kubectl sluice config -f mesh/ --virtual-node demo/caller > before.yaml

  # does Envoy accept it?
  kustomize build overlays/prod | kubectl sluice config -f - --virtual-gateway demo/edge > envoy.yaml
  envoy --mode validate -c envoy.yaml

  # from the cluster: what a pod should have
  kubectl sluice config pod/web-7d4b9c5f6-x2x8k -n demo

  # and does it have that?
  diff <(kubectl sluice config pod/web-7d4b9c5f6-x2x8k -n demo) <(kubectl sluice config pod/web-7d4b9c5f6-x2x8k -n demo --from-proxy)

  # just the routes of a virtual node, for jq
  kubectl sluice config virtualnode/web -n demo --part routes -o json | jq '.[].name'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("ipv6") {
				o.ipv6 = &ipv6
			}
			return s.config(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.files, "filename", "f", nil, "file or directory to read instead of the cluster, or - for standard input; may be repeated")
	f.StringVar(&o.node, "virtual-node", "", "virtual node whose configuration is wanted, as NAMESPACE/NAME")
	f.StringVar(&o.gateway, "virtual-gateway", "", "virtual gateway whose configuration is wanted, as NAMESPACE/NAME")
	f.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "DNS suffix of the cluster's Services")
	f.BoolVar(&ipv6, "ipv6", false, "pods have IPv6 addresses; from a cluster, as the pods of mesh if this is not given")
	f.BoolVar(&o.fromProxy, "from-proxy", false, "print what the Envoy of the pod has, instead of what it should have")
	choice(cmd, &o.output, "output", "o", "yaml or json", "yaml", "json")
	choice(cmd, &o.part, "part", "", "print only this part: "+strings.Join(parts, ", "), parts...)
	return cmd
}

func (s *shell) config(ctx context.Context, o configOptions, args []string) error {
	if o.part != "" && !slices.Contains(parts, o.part) {
		return fmt.Errorf("--part %s: the parts are %s", o.part, strings.Join(parts, ", "))
	}
	if o.fromProxy {
		return s.configOfProxy(ctx, o, args)
	}
	in, id, err := s.gather(ctx, o, args)
	if err != nil {
		return err
	}
	in.snapshot.ClusterDomain = o.clusterDomain
	model, problems := mesh.Build(in.snapshot)
	problems = append(in.remarks, problems...)
	if len(o.files) == 0 {
		// In a cluster, others have problems of their own.
		problems = slices.DeleteFunc(problems, func(p mesh.Problem) bool { return !near(id, p.Object) })
		in.lost = slices.DeleteFunc(in.lost, func(l loss) bool { return !near(id, l.object) })
	}
	served := slices.Contains(model.Proxies(), id)
	if !served && !in.has(id) {
		return unknown(id, model)
	}
	complete := s.tell(in.lost, problems)
	if !served {
		s.line(red, "error", fmt.Sprintf("%s has no configuration, because it is not served; see above", id))
		return errFound
	}
	resources, err := xds.Translate(model, id)
	if err != nil {
		return err
	}
	if err := s.printConfig(resources, o); err != nil {
		return err
	}
	if !complete {
		return errFound
	}
	return nil
}

func (s *shell) printConfig(resources *xds.Resources, o configOptions) error {
	text, err := render(resources, o.part)
	if err != nil {
		return err
	}
	if text, err = printed(text, o.output); err != nil {
		return err
	}
	if _, err := s.Out.Write(text); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// gather reads the objects, and finds out whose configuration is meant.
func (s *shell) gather(ctx context.Context, o configOptions, args []string) (*input, mesh.ProxyID, error) {
	namespace := s.fileNamespace()
	if len(o.files) == 0 {
		namespace = s.namespace()
	}
	wanted, err := o.target(args, namespace)
	if err != nil {
		return nil, mesh.ProxyID{}, err
	}
	if len(o.files) > 0 {
		if wanted.pod != "" {
			return nil, mesh.ProxyID{}, errors.New("a pod is bound to its virtual node in the cluster, not in files; write --virtual-node NAMESPACE/NAME")
		}
		in, err := s.fromFiles(o.files, namespace)
		if err == nil && o.ipv6 != nil {
			in.snapshot.IPv6 = *o.ipv6
		}
		return in, wanted.proxy, err
	}
	config, err := s.restConfig()
	if err != nil {
		return nil, mesh.ProxyID{}, err
	}
	id, err := wanted.bind(ctx, config)
	if err != nil {
		return nil, mesh.ProxyID{}, err
	}
	in, err := fromCluster(ctx, config)
	if err != nil {
		return nil, id, err
	}
	if o.ipv6 != nil {
		in.snapshot.IPv6 = *o.ipv6
	} else if in.snapshot.IPv6, err = meshHasIPv6(ctx, config, s.system); err != nil {
		s.warn(err.Error() + "; say with --ipv6 whether pods have IPv6 addresses")
	}
	return in, id, nil
}

// target is the one of the three ways to name a proxy that was used.
func (o configOptions) target(args []string, namespace string) (target, error) {
	var given []target
	var errs []error
	add := func(t target, err error) { given, errs = append(given, t), append(errs, err) }
	for _, argument := range args {
		add(targetArgument(argument, namespace))
	}
	if o.node != "" {
		add(targetFlag(mesh.ProxyVirtualNode, o.node, namespace))
	}
	if o.gateway != "" {
		add(targetFlag(mesh.ProxyVirtualGateway, o.gateway, namespace))
	}
	if len(given) != 1 {
		return target{}, errors.New("say whose configuration you want, once: TYPE/NAME, --virtual-node or --virtual-gateway")
	}
	return given[0], errors.Join(errs...)
}

// near says whether an object's problems are likely to be the proxy's: it is in its namespace, or in none.
func near(id mesh.ProxyID, object mesh.ObjectRef) bool {
	return object.Namespace == id.Namespace || object.Namespace == ""
}

// tell writes the problems, a line each, and says whether everything is served.
func (s *shell) tell(lost []loss, problems []mesh.Problem) bool {
	complete := len(lost) == 0
	for _, l := range lost {
		s.line(red, "error", l.text)
	}
	for _, p := range problems {
		line := spell(p.Object) + ": " + p.Err.Error()
		if p.Blocking {
			complete = false
			s.line(red, "error", line)
		} else {
			s.warn(line)
		}
	}
	return complete
}

// unknown names what there is instead of a virtual node or gateway that is not there.
func unknown(id mesh.ProxyID, model *mesh.Model) error {
	var others []string
	for _, other := range model.Proxies() {
		if other.Kind == id.Kind && len(others) < maxSuggestions {
			others = append(others, other.Namespace+"/"+other.Name)
		}
	}
	if len(others) == 0 {
		return fmt.Errorf("there is no %s %s/%s, and no other either", id.Kind, id.Namespace, id.Name)
	}
	return fmt.Errorf("there is no %s %s/%s; there is %s", id.Kind, id.Namespace, id.Name, strings.Join(others, ", "))
}

// maxSuggestions keeps a sentence readable.
const maxSuggestions = 10
