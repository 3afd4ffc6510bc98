// Package diagnosis takes what a cluster has of an installation of Sluice and gives findings: what is as it should be, what
// is not, and what to do about it. It is pure.
package diagnosis

import (
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/sluice-mesh/sluice/pkg/envoy"
	"github.com/sluice-mesh/sluice/pkg/mesh"
)

// Severity says how bad a finding is.
type Severity string

// Severities, the worst last.
const (
	// OK is as it should be.
	OK Severity = "ok"
	// Warning is something that will hurt, or hurts a few.
	Warning Severity = "warning"
	// Unknown is something that could not be looked at.
	Unknown Severity = "unknown"
	// Error is something that hurts.
	Error Severity = "error"
)

// Finding is one sentence about an installation.
type Finding struct {
	// Check is what was looked at.
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	// Remedy is what to do; empty where there is nothing to do.
	Remedy string `json:"remedy,omitempty"`
}

// Cluster is what was seen. A part that could not be read is in Unread, by the name of the check that needs it.
type Cluster struct {
	// Now is when it was seen, Namespace where Sluice is installed.
	Now       time.Time
	Namespace string
	// Unread are the parts that could not be read, and why.
	Unread map[string]string

	// Deployments are those of all namespaces, Pods those of Namespace.
	Deployments []appsv1.Deployment
	Pods        []corev1.Pod
	// Lacks are sentences about kinds and fields that the cluster does not have.
	Lacks []string
	// LacksRemedy is what to do about them.
	LacksRemedy string

	Mutating   []admissionregistrationv1.MutatingWebhookConfiguration
	Validating []admissionregistrationv1.ValidatingWebhookConfiguration
	Services   []corev1.Service
	Endpoints  []discoveryv1.EndpointSlice
	// Trial says why the webhook did not answer when it was tried; empty if it did.
	Trial string
	// Certificates are the Secrets with our certificates.
	Certificates []corev1.Secret

	Snapshot mesh.Snapshot
	Proxies  []envoy.ProxyState
	// Naked are pods that run without the proxy that they should have, as NAMESPACE/NAME.
	Naked []string
	// FlaggerLeases are the Leases of Flagger's leaders.
	FlaggerLeases []coordinationv1.Lease
}

// check is one thing to look at.
type check struct {
	name string
	look func(Cluster) []Finding
}

// checks are in the order in which they are told: what explains others comes first.
var checks = []check{
	{"processes", processes},           // there, ready, of one version
	{"kinds", kinds},                   // with our fields
	{"webhooks", webhooks},             // ours: trusted, and answered
	{"certificates", certificates},     // not about to expire
	{"dead-webhooks", deadWebhooks},    // others' that refuse because nobody answers
	{"other-controllers", controllers}, // Flagger and App Mesh's, still alive
	{"namespaces", namespaces},         // in a mesh and opted in
	{"proxies", proxies},               // connected, with the newest configuration
	{"naked-pods", nakedPods},          // without the proxy that they should have
}

// Of makes the findings. A check that finds nothing wrong says so.
func Of(c Cluster) []Finding {
	var out []Finding
	for _, check := range checks {
		if why, unread := c.Unread[check.name]; unread {
			remedy := ""
			if strings.Contains(why, "forbidden") {
				remedy = "ask for the right to do it, or use --as"
			}
			out = append(out, Finding{check.name, Unknown, "could not be checked: " + why, remedy})
			continue
		}
		for _, f := range check.look(c) {
			f.Check = check.name
			out = append(out, f)
		}
	}
	return out
}

// Worst is the severity of the worst finding.
func Worst(findings []Finding) Severity {
	order := []Severity{OK, Warning, Unknown, Error}
	worst := 0
	for _, f := range findings {
		for i, s := range order {
			if f.Severity == s {
				worst = max(worst, i)
			}
		}
	}
	return order[worst]
}

func ok(message string) []Finding { return []Finding{{Severity: OK, Message: message}} }
