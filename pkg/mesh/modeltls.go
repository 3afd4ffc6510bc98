package mesh

// TLSMode says which connections a listener takes.
type TLSMode string

// Modes of a listener that takes TLS; one that does not has no ServerTLS.
const (
	// TLSPermissive takes TLS and plain connections.
	TLSPermissive TLSMode = "PERMISSIVE"
	// TLSStrict takes TLS only.
	TLSStrict TLSMode = "STRICT"
)

// ServerTLS is the TLS of a listener.
type ServerTLS struct {
	Mode        TLSMode     `json:"mode"`
	Certificate Certificate `json:"certificate"`
	// Validation of the certificates that clients must show; absent if they need none.
	Validation *Validation `json:"validation,omitempty"`
}

// ClientTLS is the TLS of connections to a cluster.
type ClientTLS struct {
	// ServerName is what the client calls the server: its host name in service discovery, without a trailing dot. It may
	// be an address, and is empty if it is neither.
	ServerName string `json:"serverName,omitempty"`
	// Certificate that the client shows, if it has one.
	Certificate *Certificate `json:"certificate,omitempty"`
	// Validation of the server's certificate. Without it the connection is encrypted, with whomever.
	Validation *Validation `json:"validation,omitempty"`
}

// ClusterTLS is how one proxy connects to one cluster, where that is not Cluster.TLS.
type ClusterTLS struct {
	Cluster string    `json:"cluster"`
	TLS     ClientTLS `json:"tls"`
}

// Certificate is where a proxy finds a certificate with its key: in two files of its container, or by the name that it
// has at the secret discovery service of the pod's machine.
type Certificate struct {
	Chain string `json:"chain,omitempty"`
	Key   string `json:"key,omitempty"`
	SDS   string `json:"sds,omitempty"`
}

// Authorities is where a proxy finds whom it trusts: in a file of its container, or by a name like that of a Certificate.
type Authorities struct {
	File string `json:"file,omitempty"`
	SDS  string `json:"sds,omitempty"`
}

// Validation says which certificates of the other side are accepted.
type Validation struct {
	// Trust is absent if nobody is trusted: no connection comes about.
	Trust *Authorities `json:"trust,omitempty"`
	// Names of which the certificate must carry one, sorted; any will do if there are none.
	Names []string `json:"names,omitempty"`
}
