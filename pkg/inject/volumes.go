package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// tokenSeconds is how long the token that Envoy shows to mesh is valid; the kubelet renews it in time.
const tokenSeconds = 3600

// addVolumes gives the proxy what rotates, its token and mesh's CA, and a place for its admin socket.
//
// The pod's fsGroup is left alone. The kubelet restricts a projected token to one owner only if every container of the
// pod runs as the same user or the pod has an fsGroup, and then Envoy is that user or in that group; in every other
// pod the token is readable by whoever mounts it, and only Envoy does. Setting an fsGroup, as App Mesh did for
// the tokens of AWS, would change the group of the user's own volumes for nothing.
func addVolumes(p *patch) error {
	if !p.ownsEnvoy {
		return nil
	}
	mode, expiration := int32(0o644), int64(tokenSeconds)
	p.addVolume(corev1.Volume{Name: sluice.ProxyVolume, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: &mode,
		Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: sluice.ProxyConfigMap},
				Items:                items(sluice.CAFile, sluice.CASecretFile, sluice.TokenSecretFile),
			}},
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience: sluice.TokenAudience, ExpirationSeconds: &expiration, Path: sluice.TokenFile,
			}},
		},
	}}})
	// In memory, because the cluster autoscaler takes a pod with an emptyDir on disk for one that must not be moved.
	limit := resource.MustParse("1Mi")
	p.addVolume(corev1.Volume{Name: sluice.AdminVolume, VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &limit},
	}})
	if hasSDS(p.pod, p.cfg) {
		socket := corev1.HostPathSocket // the pod waits where there is none
		p.addVolume(corev1.Volume{Name: volumeSDS, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: p.cfg.SDSSocket, Type: &socket},
		}})
		letGo(p, volumeSDS)
	}
	return nil
}

// annotationSafeVolumes lists volumes on the node's disk that do not keep the cluster autoscaler from moving the pod.
const annotationSafeVolumes = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"

// letGo adds a volume of ours to those that a pod can do without on another node. The user's own still count.
func letGo(p *patch, volume string) {
	list, _ := p.pod.annotation(annotationSafeVolumes)
	for name := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(name) == volume {
			return
		}
	}
	if list != "" {
		list += ","
	}
	p.setAll(pathAnnotations, p.annotations(), []pair{{annotationSafeVolumes, list + volume}})
}

// addPullSecret lets the kubelet fetch our images where their registry asks who it is.
func addPullSecret(p *patch) error {
	name := p.cfg.ImagePullSecret
	if name == "" || !p.ownsEnvoy || slices.ContainsFunc(p.pod.Spec.ImagePullSecrets, func(s named) bool { return s.Name == name }) {
		return nil
	}
	secrets := &list{path: "/spec/imagePullSecrets", exists: p.pod.Spec.ImagePullSecrets != nil}
	p.insert(secrets, end, corev1.LocalObjectReference{Name: name})
	return nil
}

func items(names ...string) []corev1.KeyToPath {
	var list []corev1.KeyToPath
	for _, n := range names {
		list = append(list, corev1.KeyToPath{Key: n, Path: n})
	}
	return list
}
