package diagnosis

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// expiresSoon is how long before its end a certificate should have been replaced: ours are at two thirds of their lives.
const expiresSoon = 7 * 24 * time.Hour

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// hook is a webhook of either kind of configuration.
type hook struct {
	configuration, resource, name string
	// closed is set if nobody's answer means no.
	closed bool
	admissionregistrationv1.WebhookClientConfig
}

func (c Cluster) hooks() []hook {
	var out []hook
	closed := func(p *admissionregistrationv1.FailurePolicyType) bool {
		return p == nil || *p == admissionregistrationv1.Fail
	}
	for _, configuration := range c.Mutating {
		for _, w := range configuration.Webhooks {
			out = append(out, hook{configuration.Name, "mutatingwebhookconfiguration", w.Name, closed(w.FailurePolicy), w.ClientConfig})
		}
	}
	for _, configuration := range c.Validating {
		for _, w := range configuration.Webhooks {
			out = append(out, hook{configuration.Name, "validatingwebhookconfiguration", w.Name, closed(w.FailurePolicy), w.ClientConfig})
		}
	}
	return out
}

func (h hook) ours() bool { return h.configuration == sluice.WebhookService }

// webhooks looks at ours: configured, trusted, and answered.
func webhooks(c Cluster) []Finding {
	var out []Finding
	found := map[string]int{}
	wrong := map[string]string{}
	for _, h := range c.hooks() {
		if !h.ours() {
			continue
		}
		found[h.resource]++
		if why := bundleProblem(h.CABundle, c.Now); why != "" && wrong[h.resource] == "" {
			wrong[h.resource] = fmt.Sprintf("%s of %s %s: %s", h.name, h.resource, h.configuration, why)
		}
	}
	for _, resource := range []string{"mutatingwebhookconfiguration", "validatingwebhookconfiguration"} {
		switch {
		case found[resource] == 0:
			out = append(out, Finding{Severity: Error, Message: fmt.Sprintf("there is no %s %s, so nobody asks the webhook", resource, sluice.WebhookService),
				Remedy: "kubectl apply -k config/webhook"})
		case wrong[resource] != "":
			out = append(out, Finding{Severity: Error, Message: wrong[resource], Remedy: fmt.Sprintf(
				"the webhook process, or cert-manager, writes it: kubectl -n %s logs deployment/%s", c.Namespace, sluice.WebhookService)})
		}
	}
	if c.Trial != "" {
		out = append(out, Finding{Severity: Error, Message: c.Trial, Remedy: "kubectl sluice check-webhook says more, and tries again"})
	}
	if len(out) == 0 {
		return ok("the webhook is trusted and answers")
	}
	return out
}

// bundleProblem says what keeps an API server from trusting a webhook; empty if nothing does.
func bundleProblem(bundle []byte, now time.Time) string {
	if len(bundle) == 0 {
		return "it has no caBundle"
	}
	valid := false
	for _, certificate := range parse(bundle) {
		valid = valid || now.Before(certificate.NotAfter)
	}
	if !valid {
		return "no certificate in its caBundle can be read and is valid"
	}
	return ""
}

func parse(text []byte) []*x509.Certificate {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return out
		}
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, certificate)
		}
	}
}

// certificateSecrets hold what our processes identify themselves by.
var certificateSecrets = []string{sluice.WebhookTLSSecret, sluice.MeshTLSSecret, sluice.CanaryTLSSecret}

// certificates looks at those of our processes.
func certificates(c Cluster) []Finding {
	var out []Finding
	var first time.Time
	for _, name := range certificateSecrets {
		i := slices.IndexFunc(c.Certificates, func(s corev1.Secret) bool { return s.Name == name })
		if i < 0 {
			out = append(out, Finding{Severity: Error, Message: fmt.Sprintf("there is no Secret %s in namespace %s, which a process waits for", name, c.Namespace),
				Remedy: fmt.Sprintf("the webhook process, or cert-manager, makes it: kubectl -n %s logs deployment/%s", c.Namespace, sluice.WebhookService)})
			continue
		}
		data := c.Certificates[i].Data
		chain := parse(data[corev1.TLSCertKey])
		if len(chain) == 0 {
			out = append(out, Finding{Severity: Error, Message: "the certificate in Secret " + name + " cannot be read", Remedy: c.renew(name)})
			continue
		}
		leaf := chain[0]
		if first.IsZero() || leaf.NotAfter.Before(first) {
			first = leaf.NotAfter
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(data[corev1.ServiceAccountRootCAKey])
		_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: c.Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		switch {
		case !c.Now.Before(leaf.NotAfter):
			out = append(out, Finding{Severity: Error, Message: fmt.Sprintf("the certificate in Secret %s expired at %s", name, leaf.NotAfter.UTC().Format(time.RFC3339)), Remedy: c.renew(name)})
		case leaf.NotAfter.Sub(c.Now) < expiresSoon:
			out = append(out, Finding{Severity: Warning, Message: fmt.Sprintf("the certificate in Secret %s expires at %s and should have been replaced by now", name, leaf.NotAfter.UTC().Format(time.RFC3339)), Remedy: c.renew(name)})
		case len(data[corev1.ServiceAccountRootCAKey]) > 0 && err != nil:
			out = append(out, Finding{Severity: Error, Message: fmt.Sprintf("the certificate in Secret %s is not signed by the authority beside it: %v", name, err), Remedy: c.renew(name)})
		}
	}
	if len(out) == 0 {
		return ok("valid; the first that ends does so at " + first.UTC().Format(time.RFC3339) + " and is replaced before")
	}
	return out
}

func (c Cluster) renew(secret string) string {
	return fmt.Sprintf("kubectl -n %s logs deployment/%s says why it is not replaced; deleting the Secret %s has it made anew", c.Namespace, sluice.WebhookService, secret)
}

// deadWebhooks looks for others' that refuse because nobody is behind them.
func deadWebhooks(c Cluster) []Finding {
	exists, ready := map[string]bool{}, map[string]bool{}
	for _, s := range c.Services {
		exists[s.Namespace+"/"+s.Name] = true
	}
	for _, slice := range c.Endpoints {
		if slices.ContainsFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool { return e.Conditions.Ready == nil || *e.Conditions.Ready }) {
			ready[slice.Namespace+"/"+slice.Labels[discoveryv1.LabelServiceName]] = true
		}
	}
	var out []Finding
	told := map[string]bool{}
	for _, h := range c.hooks() {
		key := h.resource + "/" + h.configuration
		if h.ours() || !h.closed || h.Service == nil || told[key] {
			continue
		}
		service := h.Service.Namespace + "/" + h.Service.Name
		if exists[service] && ready[service] {
			continue
		}
		told[key] = true
		why := "has no ready endpoint"
		if !exists[service] {
			why = "does not exist"
		}
		severity := Warning
		if strings.HasSuffix(h.name, ".appmesh.k8s.aws") {
			severity = Error
		}
		out = append(out, Finding{Severity: severity,
			Message: fmt.Sprintf("%s %s refuses what it is asked about, because Service %s %s", h.resource, h.configuration, service, why),
			Remedy:  fmt.Sprintf("if what it belonged to is gone: kubectl delete %s %s", h.resource, h.configuration)})
	}
	if len(out) == 0 {
		return ok("nobody's webhook refuses for want of an answer")
	}
	slices.SortFunc(out, func(a, b Finding) int { return cmp.Compare(a.Message, b.Message) })
	return out
}
