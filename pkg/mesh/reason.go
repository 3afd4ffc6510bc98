package mesh

// Reasons of problems and conditions. They are part of the API: scripts and alerts match them.
const (
	// ReasonActive is the reason of a condition without problems.
	ReasonActive = "Active"

	// ReasonNotHonoured: a field is accepted, but we do not do what it says.
	ReasonNotHonoured = "NotHonoured"
	// ReasonInvalid: a value cannot be served.
	ReasonInvalid = "Invalid"
	// ReasonBeyondLimits: App Mesh refused it behind its webhooks; where it is stored, it is served.
	ReasonBeyondLimits = "BeyondLimits"
	// ReasonUnreachable: a route that no request comes to, because an earlier one takes them all.
	ReasonUnreachable = "Unreachable"

	// ReasonAssumed: the files of a snapshot lack something that a cluster has, and it was assumed.
	ReasonAssumed = "Assumed"

	// ReasonMeshNotFound: no Mesh, or more than one, claims the object.
	ReasonMeshNotFound = "MeshNotFound"
	// ReasonGatewayNotFound: no VirtualGateway, or more than one, claims a GatewayRoute; or none an exposed VirtualService.
	ReasonGatewayNotFound = "VirtualGatewayNotFound"
	// ReasonNodeNotFound: a VirtualNode that is named does not exist, or is not served.
	ReasonNodeNotFound = "VirtualNodeNotFound"
	// ReasonRouterNotFound: a VirtualRouter that is named does not exist, or is not served.
	ReasonRouterNotFound = "VirtualRouterNotFound"
	// ReasonServiceNotFound: a VirtualService that is named does not exist, or is not served.
	ReasonServiceNotFound = "VirtualServiceNotFound"
	// ReasonGroupNotFound: a BackendGroup that is named does not exist.
	ReasonGroupNotFound = "BackendGroupNotFound"
	// ReasonOtherMesh: what is named belongs to another mesh.
	ReasonOtherMesh = "OtherMesh"
	// ReasonHostNotFound: a host name looks like that of a Service that does not exist.
	ReasonHostNotFound = "HostNotFound"

	// ReasonNoProvider: a VirtualService names nobody who answers for it.
	ReasonNoProvider = "NoProvider"
	// ReasonNoListener: what should take the traffic listens nowhere.
	ReasonNoListener = "NoListener"
	// ReasonNoWeight: no target of a route has a weight.
	ReasonNoWeight = "NoWeight"

	// ReasonNameConflict: two objects have the same name in the mesh.
	ReasonNameConflict = "NameConflict"
	// ReasonDomainConflict: two virtual services answer to the same name on one port of one proxy.
	ReasonDomainConflict = "DomainConflict"
	// ReasonPortConflict: two backends need the same port in ways that exclude each other.
	ReasonPortConflict = "PortConflict"
	// ReasonPolicyConflict: two client policies of one caller say different things about the connections to one virtual node.
	ReasonPolicyConflict = "ClientPolicyConflict"

	// ReasonTLSNotOffered: a client policy insists on TLS, and the server takes none.
	ReasonTLSNotOffered = "TLSNotOffered"

	// ReasonProxyRejected: Envoys do not take what was made from the object, and keep what they had before.
	ReasonProxyRejected = "ProxyRejected"

	// ReasonPendingMembers: an object was deleted before those that belong to it. It is App Mesh's event, too.
	ReasonPendingMembers = "PendingMembersDeletion"
	// ReasonDeadWebhooks: webhooks of App Mesh that refuse because nobody answers for them.
	ReasonDeadWebhooks = "DeadWebhooks"
	// ReasonOldSidecars: pods still have the sidecar of AWS.
	ReasonOldSidecars = "OldSidecars"
	// ReasonNakedPods: pods that the object selects have no proxy.
	ReasonNakedPods = "NakedPods"
	// ReasonTwoControllers: App Mesh's controller runs beside us.
	ReasonTwoControllers = "TwoControllers"
)
