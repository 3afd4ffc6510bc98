package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// rewriteProbes sends the kubelet's HTTP and gRPC probes of redirected ports to a listener of the proxy that passes on
// exactly these. Through the ordinary ingress they would fail as soon as the virtual node demands TLS, which the kubelet
// does not speak, and they would count as requests of users when a release is judged.
//
//	kubelet -> 8080/healthz                     redirected -> ingress (TLS) -> application     before
//	kubelet -> 15021/probe/web/liveness  -> application, 127.0.0.1:8080/healthz               after
//
// Probes of other ports, by TCP and by command stay: they never depended on the proxy.
func rewriteProbes(p *patch) error {
	mode, ok := p.pod.annotation(sluice.AnnotationProbes)
	if ok && mode != sluice.ProbesKeep {
		p.warn("annotation %s: %q is not %s, so it is ignored", sluice.AnnotationProbes, mode, sluice.ProbesKeep)
	}
	if p.cfg.KeepProbes || mode == sluice.ProbesKeep || hasEnvoy(p.pod) {
		return nil
	}
	w := &probeWriter{patch: p, redirected: redirectedPorts(appPorts(p))}
	if len(w.redirected) == 0 {
		return nil
	}
	if w.portTaken() {
		p.warn("the pod uses port %d itself, on which the proxy would pass on probes: they are left as they are, and fail if the virtual node demands TLS", sluice.ProbePort)
		return nil
	}
	// Before the proxy is added, because its place among the init containers changes theirs.
	for _, l := range []struct {
		path       string
		containers []container
	}{{p.containers.path, p.pod.Spec.Containers}, {p.initContainers.path, p.pod.Spec.InitContainers}} {
		for i, c := range l.containers {
			if err := w.rewrite(c, l.path+"/"+strconv.Itoa(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func hasEnvoy(pod *Pod) bool {
	_, inInit := find(pod.Spec.InitContainers, containerEnvoy)
	_, inMain := find(pod.Spec.Containers, containerEnvoy)
	return inInit || inMain
}

// portRange is first to last, both included.
type portRange struct{ first, last int32 }

// redirectedPorts reads the list that proxyinit gets, which checkRedirection has approved.
func redirectedPorts(text string) []portRange {
	var list []portRange
	for item := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(item), ":")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		to, errTo := strconv.ParseUint(last, 10, 16)
		if err == nil && errTo == nil && from > 0 {
			list = append(list, portRange{int32(from), int32(to)})
		}
	}
	return list
}

// probeWriter rewrites the probes of one pod.
type probeWriter struct {
	*patch
	redirected []portRange
}

func (w *probeWriter) isRedirected(port int32) bool {
	return slices.ContainsFunc(w.redirected, func(r portRange) bool { return r.first <= port && port <= r.last })
}

// portTaken says whether a container listens on the port that the proxy would: then Envoy could not start.
func (w *probeWriter) portTaken() bool {
	if w.isRedirected(sluice.ProbePort) {
		return true
	}
	text := []byte(strconv.Itoa(sluice.ProbePort))
	return slices.ContainsFunc(slices.Concat(w.pod.Spec.InitContainers, w.pod.Spec.Containers), func(c container) bool {
		var ports []corev1.ContainerPort
		// Few pods have the digits anywhere, so that few lists are decoded.
		return bytes.Contains(c.Ports, text) && json.Unmarshal(c.Ports, &ports) == nil &&
			slices.ContainsFunc(ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == sluice.ProbePort })
	})
}

// probe is what is read of a probe.
type probe struct {
	HTTPGet *struct {
		Path   string             `json:"path"`
		Port   intstr.IntOrString `json:"port"`
		Host   string             `json:"host"`
		Scheme string             `json:"scheme"`
	} `json:"httpGet"`
	GRPC *struct {
		Port int32 `json:"port"`
	} `json:"grpc"`
}

func (w *probeWriter) rewrite(c container, path string) error {
	for _, k := range []struct {
		kind, field string
		raw         json.RawMessage
	}{
		{"liveness", "livenessProbe", c.LivenessProbe}, {"readiness", "readinessProbe", c.ReadinessProbe}, {"startup", "startupProbe", c.StartupProbe},
	} {
		if !present(k.raw) {
			continue
		}
		var have probe
		if err := decode(k.field, k.raw, &have); err != nil {
			return fmt.Errorf("container %s: %w", c.Name, err)
		}
		switch {
		case have.HTTPGet != nil:
			port, ok := resolvePort(have.HTTPGet.Port, c.Ports)
			if ok && have.HTTPGet.Host == "" && w.isRedirected(port) {
				w.http(c.Name, k.kind, path+"/"+k.field+"/httpGet", have, port)
			}
		case have.GRPC != nil && w.isRedirected(have.GRPC.Port):
			w.grpc(c.Name, k.kind, path+"/"+k.field+"/grpc", have.GRPC.Port)
		}
	}
	return nil
}

// http keeps the query and the headers, which pass the proxy as they are.
func (w *probeWriter) http(name, kind, at string, have probe, port int32) {
	target, query, hasQuery := strings.Cut(have.HTTPGet.Path, "?")
	if !strings.HasPrefix(target, "/") {
		target = "/" + target // as the kubelet does
	}
	if strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
		w.warn("the %s probe of container %s is left as it is, because its path %q is unusual: it fails if the virtual node demands TLS", kind, name, target)
		return
	}
	s := sluice.Probe{Path: "/probe/" + name + "/" + kind, Port: port, Target: target, TLS: have.HTTPGet.Scheme == string(corev1.URISchemeHTTPS)}
	w.probes = append(w.probes, s)
	path := s.Path
	if hasQuery {
		path += "?" + query
	}
	w.add(at+"/path", path)
	w.add(at+"/port", sluice.ProbePort)
	if s.TLS {
		w.add(at+"/scheme", corev1.URISchemeHTTP)
	}
}

// grpc has no path of its own to tell containers apart, so that one port of the pod can be asked.
func (w *probeWriter) grpc(name, kind, at string, port int32) {
	i := slices.IndexFunc(w.probes, func(p sluice.Probe) bool { return p.GRPC })
	switch {
	case i < 0:
		w.probes = append(w.probes, sluice.Probe{Port: port, GRPC: true})
	case w.probes[i].Port != port:
		w.warn("the %s probe of container %s is left as it is, because gRPC probes of one port only can be passed on, here of %d: it fails if the virtual node demands TLS",
			kind, name, w.probes[i].Port)
		return
	}
	w.add(at+"/port", sluice.ProbePort)
}

// resolvePort finds a named port among those of the container, as the kubelet does.
func resolvePort(port intstr.IntOrString, raw json.RawMessage) (int32, bool) {
	if port.Type == intstr.Int {
		return port.IntVal, true
	}
	var ports []corev1.ContainerPort
	if present(raw) && json.Unmarshal(raw, &ports) == nil {
		for _, p := range ports {
			if p.Name == port.StrVal {
				return p.ContainerPort, true
			}
		}
	}
	n, err := strconv.ParseInt(port.StrVal, 10, 32)
	return int32(n), err == nil
}
