package xds

import (
	"crypto/sha256"
	"encoding/hex"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Resources are all Envoy resources of one proxy, each list sorted by name.
type Resources struct {
	Listeners []*listenerv3.Listener
	Routes    []*routev3.RouteConfiguration
	Clusters  []*clusterv3.Cluster
	Endpoints []*endpointv3.ClusterLoadAssignment
	// Secrets say in which files of its container the proxy finds certificates; no key is in them.
	Secrets []*tlsv3.Secret
	// Routers are the virtual routers whose routes are in it, sorted. They are no part of the versions.
	Routers []mesh.ObjectRef
}

// versionBytes of the hash are enough that two contents never meet by accident, and short enough to read in a log.
const versionBytes = 12

// Version is the hash of the resources of one type. It is all that decides whether a proxy is sent anything, so equal
// configuration is never sent twice, and replicas agree without talking. An unknown type has the version "".
func (r *Resources) Version(typeURL string) string {
	switch typeURL {
	case resource.ListenerType:
		return version(r.Listeners)
	case resource.RouteType:
		return version(r.Routes)
	case resource.ClusterType:
		return version(r.Clusters)
	case resource.EndpointType:
		return version(r.Endpoints)
	case resource.SecretType:
		return version(r.Secrets)
	default:
		return ""
	}
}

func version[M proto.Message](messages []M) string {
	var buf []byte
	hash := sha256.New()
	for _, m := range messages {
		// Deterministic only sorts maps; across releases of ours the bytes may differ, which costs one push.
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			// Only invalid UTF-8 or a missing proto2 field gets here; both would be refused by Envoy too.
			b = []byte(err.Error())
		}
		// With its length before it a message cannot be taken for the end of its neighbour.
		buf = protowire.AppendBytes(buf[:0], b)
		_, _ = hash.Write(buf)
	}
	return hex.EncodeToString(hash.Sum(nil)[:versionBytes])
}
