package mesh

import (
	"strings"
)

// maxHostname is the length of the longest name that DNS can hold.
const maxHostname = 253

// isHostname says whether a name can be resolved or matched. It is generous: what it must keep out are bytes that Envoy
// refuses together with the whole message in which they come.
func isHostname(name string) bool {
	trimmed := strings.TrimSuffix(name, ".")
	if trimmed == "" || len(trimmed) > maxHostname {
		return false
	}
	for _, c := range []byte(trimmed) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return !strings.Contains(trimmed, "..") && !strings.HasPrefix(trimmed, ".")
}

// isDomain says whether a name can be that of a virtual host: a host name, *, or one that starts with *.
func isDomain(name string) bool {
	rest, wild := strings.CutPrefix(name, "*")
	if wild {
		rest = strings.TrimPrefix(rest, ".")
		return rest == "" && !strings.HasSuffix(name, ".") || isHostname(rest)
	}
	return isHostname(name)
}

// canonical is the form in which names are compared: Envoy ignores case.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// serviceNamed gives the Service that a host name means in a namespace, as a pod's DNS would resolve it. clear is set
// if the name can mean nothing but a Service, so that its absence is worth telling.
func (x *index) serviceNamed(hostname, namespace string) (ref ServiceRef, clear bool) {
	name := canonical(hostname)
	for _, suffix := range []string{".svc." + x.clusterDomain, ".svc"} {
		if rest, ok := strings.CutSuffix(name, suffix); ok {
			name, clear = rest, true
			break
		}
	}
	service, in, qualified := strings.Cut(name, ".")
	switch {
	case !qualified && clear: // "a.svc" means nothing
		return ServiceRef{}, false
	case !qualified:
		return ServiceRef{Namespace: namespace, Name: service}, false
	case strings.Contains(in, "."): // a name of a pod, or a foreign one
		return ServiceRef{}, false
	default:
		return ServiceRef{Namespace: in, Name: service}, clear
	}
}

// spellings gives the other names that mean the same as a host name of the cluster: what an application may write in
// the place of name.namespace.svc.cluster.local. A foreign name has none. caller is the namespace in which the short
// form counts; empty means that there is none.
func (x *index) spellings(name, namespace, caller string) []string {
	ref, clear := x.serviceNamed(name, namespace)
	if ref.Name == "" || strings.Contains(ref.Name, "*") {
		return nil
	}
	if _, known := x.namespaces[ref.Namespace]; !clear && !known && ref.Namespace != namespace {
		// "example.com" is a Service "example" only if there is a namespace "com".
		return nil
	}
	qualified := ref.Name + "." + ref.Namespace
	all := []string{qualified, qualified + ".svc", qualified + ".svc." + x.clusterDomain}
	if caller == ref.Namespace {
		all = append(all, ref.Name)
	}
	return all
}
