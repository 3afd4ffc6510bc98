// Command mesh is the control plane: it watches App Mesh's objects and serves Envoy configuration made from them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/mesh"
	"github.com/sluice-mesh/sluice/pkg/xds"
)

// options are the flags.
type options struct {
	clusterDomain, namespace, lease, identity string
	certDir, kubeconfig, logLevel             string
	xds, metrics, health, debug, peer, peers  string
	ipv6                                      bool
}

func main() {
	// A second signal kills at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mesh:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "mesh",
		Short: "Serve Envoy configuration made from App Mesh's objects",
		Long: `mesh watches the App Mesh objects of a cluster (meshes, virtual nodes, services, routers, gateways, gateway routes),
together with Services and EndpointSlices, and serves the Envoy configuration that follows from them.

Every replica serves proxies. The one that holds the Lease also writes the objects' conditions, Warning events, and the
ConfigMap ` + sluice.ProxyConfigMap + ` (CA bundle and SDS files) of each namespace with sidecars. Nothing is stored: a restarted
replica reads the cluster again, and Envoys keep what they have meanwhile.

What an Envoy refuses is told in the condition of the object that it was made from (reason ` + mesh.ReasonProxyRejected + `). For that the
Lease holder asks all replicas, over TLS on both sides, on the port where the canary process also asks which proxies have
its weights.

A sidecar shows its pod's service-account token (audience ` + sluice.TokenAudience + `) and gets the configuration of the virtual node
or gateway that its pod was bound to at admission. As long as that is not published, the sidecar waits.

What is going on:
  kubectl get virtualnodes -o wide; kubectl describe virtualnode <name>     what is wrong with an object
  curl localhost:8082/debug/proxies (in the pod, or through port-forward)   who is connected, what each acknowledged
  /metrics on ` + fmt.Sprint(sluice.MetricsPort) + `, /healthz and /readyz on ` + fmt.Sprint(sluice.HealthPort),
		Example: `  # in a cluster
  mesh
  # from a shell, against the cluster of a kubeconfig
  mesh --kubeconfig ~/.kube/config --cert-dir ./tls --log-level debug`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.clusterDomain, "cluster-domain", "cluster.local", "DNS suffix of the cluster's Services")
	f.BoolVar(&o.ipv6, "ipv6", xds.HasIPv6(os.Getenv("POD_IPS")), "proxies of meshes without an ipPreference listen on IPv6 too; by default if POD_IPS, the addresses of this pod, has one. Envoy cannot do that on a kernel without IPv6")
	f.StringVar(&o.certDir, "cert-dir", "/etc/sluice/tls", "directory of tls.crt, tls.key and ca.crt (the bundle that sidecars get); followed when they change")
	f.StringVar(&o.namespace, "namespace", env("POD_NAMESPACE", sluice.SystemNamespace), "namespace of the Lease")
	f.StringVar(&o.lease, "lease", sluice.MeshService, "name of the Lease whose holder writes status")
	f.StringVar(&o.identity, "identity", env("POD_NAME", hostname()), "name of this replica in the Lease")
	f.StringVar(&o.xds, "xds-address", fmt.Sprintf(":%d", sluice.XDSPort), "where proxies connect (gRPC over TLS)")
	f.StringVar(&o.peer, "peer-address", fmt.Sprintf(":%d", sluice.PeerPort), "where other processes of ours ask (HTTP over mutual TLS)")
	f.StringVar(&o.peers, "peers", sluice.MeshPeersService+"."+env("POD_NAMESPACE", sluice.SystemNamespace)+".svc",
		"host name whose addresses are the replicas; empty if this is the only one")
	f.StringVar(&o.metrics, "metrics-address", fmt.Sprintf(":%d", sluice.MetricsPort), "where /metrics is served")
	f.StringVar(&o.health, "health-address", fmt.Sprintf(":%d", sluice.HealthPort), "where /healthz and /readyz are served")
	f.StringVar(&o.debug, "debug-address", "127.0.0.1:8082", "where /debug/proxies and /debug/pprof are served; keep it on the loopback interface")
	f.StringVar(&o.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig to use outside of a cluster")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func hostname() string {
	name, _ := os.Hostname()
	return name
}
