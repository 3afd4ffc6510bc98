// Package peer is mesh's inner door: another process of ours asks, and every replica answers what its proxies made of
// their configuration, and of what they call.
//
//	GET /v1/routers/{namespace}/{name}   who has routes of a virtual router, and which generation each acknowledged
//	    ?uid=…&generation=…&wait=10s     not before all have a verdict on that generation, or the time is over
//	POST /v1/loads                       what callers counted of their requests to virtual nodes, since they were told to
//	    {"nodes": ["kind/ns/name", …]}   by the first such question; half a minute after the last one they stop
//	GET /v1/proxies?refused=true         all proxies, or those that refuse something
//
// It is JSON over HTTP/1.1 with TLS on both sides. Replicas are found through a headless Service, and each is asked: none
// knows another's proxies. One that does not answer is part of the answer.
package peer
