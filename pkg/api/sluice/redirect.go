package sluice

// Redirection of a pod's connections to its Envoy, which three of our programs write, ask for or look at.
const (
	// ProofPort of the loopback interface has no listener: the rules of the redirection lead from there to ProofListener. So
	// a process without any capability finds out whether they are in force, by listening on one and dialling the other.
	ProofPort     = 15022
	ProofListener = 15023
	// MaxRedirectItems is the most ports or addresses that one list of the redirection may have.
	MaxRedirectItems = 1000

	// CNIPlugin is the type of our plugin in the configuration of a node's network, and the name of its program.
	CNIPlugin = "sluice-cni"
	// AnnotationRedirectedBy set to CNIPlugin asks our plugin to redirect the pod; without it the plugin does nothing.
	AnnotationRedirectedBy = "sluice.dev/redirected-by"
)
