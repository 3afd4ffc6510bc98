package mesh

import (
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// listenerTLS converts the TLS of a listener. The second result is set if the listener must take no connection at all:
// its owner wants TLS and nothing else, and TLS cannot be had as it is written.
func (b *builder) listenerTLS(object ObjectRef, path *field.Path, tls *appmeshv1beta2.ListenerTLS) (*ServerTLS, bool) {
	if tls == nil || tls.Mode == appmeshv1beta2.ListenerTLSModeDisabled {
		return nil, false
	}
	out := &ServerTLS{Mode: TLSMode(tls.Mode)}
	if out.Mode != TLSPermissive && out.Mode != TLSStrict {
		b.blocked(object, ReasonInvalid, field.Invalid(path.Child("mode"), tls.Mode,
			"there is no such mode, so the listener takes no connections; give DISABLED, PERMISSIVE or STRICT"))
		return nil, true
	}
	c := tls.Certificate
	certificate, fault := certificateOf(path.Child("certificate"), c.ACM != nil, c.File, c.SDS)
	if fault == nil {
		out.Certificate = *certificate
		if tls.Validation != nil {
			out.Validation, fault = validationOf(path.Child("validation"), *tls.Validation)
		}
	}
	switch {
	case fault == nil:
		b.onlyOneWatched(object, path.Child("certificate"), out.Certificate)
		return out, false
	case out.Mode == TLSPermissive:
		b.remark(object, fault.reason, fault.so("the listener takes plain connections only"))
		return nil, false
	default:
		b.blocked(object, fault.reason, fault.so("the listener, whose mode is STRICT, takes no connections"))
		return nil, true
	}
}

// fault is what is wrong with a certificate or with the trust in others. What follows from it depends on who needs it.
type fault struct {
	reason, what, remedy string
	path                 *field.Path
}

// so completes the sentence by what follows.
func (f *fault) so(consequence string) *field.Error {
	return field.Invalid(f.path, field.OmitValueType{}, f.what+", so "+consequence+"; "+f.remedy)
}

func invalid(path *field.Path, what, remedy string) *fault {
	return &fault{reason: ReasonInvalid, path: path, what: what, remedy: remedy}
}

func noACM(path *field.Path) *fault {
	return &fault{
		reason: ReasonNotHonoured, path: path, what: "AWS Certificate Manager is not asked",
		remedy: "mount what it issued and name it by file, or name it by sds",
	}
}

// certificateOf gives where a certificate is, or what is wrong.
func certificateOf(path *field.Path, acm bool, file *appmeshv1beta2.ListenerTLSFileCertificate, sds *appmeshv1beta2.ListenerTLSSDSCertificate) (*Certificate, *fault) {
	switch {
	case file != nil && sds != nil:
		return nil, invalid(path, "two sources are given", "give file or sds")
	case file != nil:
		return fileCertificate(path.Child("file"), file)
	case sds != nil:
		if !isName(sds.SecretName) {
			return nil, invalid(path.Child("sds", "secretName"), "this is not the name of a secret", "give one that the secret discovery service knows")
		}
		return &Certificate{SDS: sds.SecretName}, nil
	case acm:
		return nil, noACM(path.Child("acm"))
	default:
		return nil, invalid(path, "there is no certificate", "give file or sds")
	}
}

func fileCertificate(path *field.Path, f *appmeshv1beta2.ListenerTLSFileCertificate) (*Certificate, *fault) {
	switch {
	case !isName(f.CertificateChain):
		return nil, noFile(path.Child("certificateChain"))
	case !isName(f.PrivateKey):
		return nil, noFile(path.Child("privateKey"))
	}
	return &Certificate{Chain: f.CertificateChain, Key: f.PrivateKey}, nil
}

func noFile(path *field.Path) *fault {
	return invalid(path, "this is not the path of a file", "give that of one in the proxy's container")
}

// validationOf gives which certificates of others are accepted, or what is wrong.
func validationOf(path *field.Path, v appmeshv1beta2.TLSValidationContext) (*Validation, *fault) {
	trust, fault := authoritiesOf(path.Child("trust"), v.Trust)
	if fault != nil {
		return nil, fault
	}
	out := &Validation{Trust: trust}
	if v.SubjectAlternativeNames != nil {
		for i, name := range v.SubjectAlternativeNames.Match.Exact {
			if !isName(name) {
				return nil, invalid(path.Child("subjectAlternativeNames", "match", "exact").Index(i), "this is not a name", "give one that certificates carry")
			}
			out.Names = append(out.Names, name)
		}
		slices.Sort(out.Names)
		out.Names = slices.Compact(out.Names)
	}
	return out, nil
}

func authoritiesOf(path *field.Path, t appmeshv1beta2.TLSValidationContextTrust) (*Authorities, *fault) {
	switch {
	case t.File != nil && t.SDS != nil:
		return nil, invalid(path, "two sources are given", "give file or sds")
	case t.File != nil && isName(t.File.CertificateChain):
		return &Authorities{File: t.File.CertificateChain}, nil
	case t.File != nil:
		return nil, noFile(path.Child("file", "certificateChain"))
	case t.SDS != nil && isName(t.SDS.SecretName):
		return &Authorities{SDS: t.SDS.SecretName}, nil
	case t.SDS != nil:
		return nil, invalid(path.Child("sds", "secretName"), "this is not the name of a secret", "give one that the secret discovery service knows")
	case t.ACM != nil:
		return nil, noACM(path.Child("acm"))
	default:
		return nil, invalid(path, "no authority is named", "give file or sds")
	}
}

// onlyOneWatched tells of files that a proxy does not see change: it watches one directory per certificate.
func (b *builder) onlyOneWatched(object ObjectRef, at *field.Path, c Certificate) {
	if c.SDS == "" && path.Dir(c.Chain) != path.Dir(c.Key) {
		b.remark(object, ReasonNotHonoured, field.Invalid(at.Child("file", "privateKey"), c.Key,
			"the key is not in the directory of the certificateChain, and only that is watched: a key that changes later than its chain is not loaded"))
	}
}

// isName keeps out what no file and no secret is called, and Envoy refuses.
func isName(s string) bool { return s != "" && isHeaderValue(s) }

// server is what callers have to know of a virtual node's listener, beside its Cluster.
type server struct {
	// name is what certificates of the virtual node carry.
	name string
	// plain is set if a sidecar of ours is certain to understand plain requests only.
	plain bool
}

// offer notes what a listener offers to its callers. One that is closed for want of a certificate stays one that is
// called with TLS.
func (b *builder) offer(node *member, l listener, c *Cluster) {
	to := server{name: serverName(node.spec.ServiceDiscovery)}
	if l.tls != nil || l.closed {
		c.TLS = &ClientTLS{ServerName: to.name}
	} else {
		to.plain = l.protocol.IsHTTP() && node.spec.PodSelector != nil
	}
	b.servers[c.Name] = to
}

// serverName is the name that certificates of a virtual node carry; empty if what finds it is no name.
func serverName(d *appmeshv1beta2.ServiceDiscovery) string {
	host := discoveredHost(d)
	if !isHostname(host) {
		return ""
	}
	return strings.TrimSuffix(host, ".")
}
