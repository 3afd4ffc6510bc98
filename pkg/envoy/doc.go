// Package envoy is the door to Envoy: resources of proxies go in, and come out on the ADS streams of the pods that are
// bound to them; counters of pods' Envoys come back.
//
// One stream passes through these files in this order:
//
//	auth.go      who is asking: the bearer token, checked before the first message is read
//	server.go    the gRPC service, the age of streams, draining
//	stream.go    one stream: its pod, its proxy, what it acknowledged
//	feed.go      what is sent next: clusters, their endpoints and secrets, listeners, routes, and last what nobody needs any more
//	order.go     what must come before what
//	retry.go     secrets that were refused, again
//	answer.go    which resources a subscription is owed
//	verdict.go   what the proxy made of it: which editions it has, what it refused
//	router.go    whose routes those are: which generation of a virtual router each proxy acknowledged
//	snapshot.go  the published content of one proxy, marshalled and hashed once for all its pods
//	edition.go   which content is the newer, and which generations of routers gave it
//
// The other way, when somebody asks, come counts of what proxies call, on a stream of their own:
//
//	loadstream.go   one stream: what its proxy is told to report, and what it says
//	loadrequest.go  what is read of a report, which is mostly other things
//	loadreport.go   what its numbers say, if they can be true
//	load.go         who is asked about what, and the counts of all
//
// The message loops of both protocol variants (delta and state of the world) are go-control-plane's. The cache behind
// them is ours, because its snapshot cache answers each type on its own: it removes a cluster that routes still name,
// sends a route before the endpoints of its new cluster, does not repeat endpoints after their cluster changed (Envoy
// warms such a cluster until they come), holds one lock for all proxies, and marshals once per pod.
package envoy
