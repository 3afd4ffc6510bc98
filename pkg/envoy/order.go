package envoy

import resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"

// What must come before what: the questions that a feed asks before it sends.

// holds tells that a type must wait: what a cluster brings until the cluster is sent, listeners and routes until all
// clusters are, with what they bring, and routes for their listeners too. So wherever a stream is cut off, endpoints that
// a changed cluster waits for have another version than the proxy states. It is enough, because Envoy works through a
// stream in order; there is no need to wait for receipts.
func (f *feed) holds(typeURL string) bool {
	switch typeURL {
	case resourcev3.EndpointType, resourcev3.SecretType:
		return !f.isSent(resourcev3.ClusterType)
	case resourcev3.ListenerType:
		return !f.isSent(resourcev3.ClusterType) || !f.isBrought()
	case resourcev3.RouteType:
		return !f.isSent(resourcev3.ClusterType) || !f.isBrought() || !f.isSent(resourcev3.ListenerType)
	}
	return false
}

// isSent tells that the proxy was sent all of a type, or never asked for it: nothing would come of waiting then.
func (f *feed) isSent(typeURL string) bool {
	l, asked := f.lines[typeURL]
	if !asked {
		return true
	}
	if len(l.unwritten) > 0 {
		return false
	}
	if l.brought == f.snap.types[typeURL].version {
		return true
	}
	has := l.has()
	for name, r := range f.snap.types[typeURL].byName {
		if has[name] != r.version {
			return false
		}
	}
	return true
}

// isBrought tells that the proxy was sent what its clusters bring.
func (f *feed) isBrought() bool {
	clusters, asked := f.lines[resourcev3.ClusterType]
	if !asked {
		return true
	}
	for name, cluster := range f.snap.types[resourcev3.ClusterType].byName {
		if _, refused := clusters.refusals[name]; refused {
			// Envoy does not ask for the endpoints of a cluster that it does not take.
			continue
		}
		for typeURL, list := range cluster.brings {
			sent := f.lines[typeURL].has()
			for _, name := range list {
				_, again := f.again[typeURL][name]
				_, published := f.snap.types[typeURL].byName[name]
				// Without a version it was told that there is none, and now there is.
				if version, ok := sent[name]; !ok || again || version == "" && published {
					return false
				}
			}
		}
	}
	return true
}

// quiet tells that the proxy has taken, or refused, all it was sent of a type.
func (f *feed) quiet(typeURL string) bool {
	l, asked := f.lines[typeURL]
	return !asked || l.watch != nil
}

// settled tells that the proxy has taken everything it was sent. A refused listener or route may still name what is no
// longer published, so then nothing is settled; nor before a proxy that brought them along has asked for them.
func (f *feed) settled() bool {
	if f.lines[resourcev3.ListenerType] == nil || !f.asksForItsRoutes() {
		return false
	}
	for _, typeURL := range servedTypes {
		l := f.lines[typeURL]
		// A secret names nothing.
		if !f.quiet(typeURL) || l != nil && len(l.refusals) > 0 && typeURL != resourcev3.SecretType {
			return false
		}
	}
	return true
}
