package inject

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
)

// volumeSDS is the volume of the SDS socket; the name is App Mesh's.
const volumeSDS = "appmesh-sds-socket-volume"

// proxyMounts are the mounts that every Envoy of ours needs.
func proxyMounts(p *patch) []corev1.VolumeMount {
	mounts := []corev1.VolumeMount{
		{Name: sluice.ProxyVolume, MountPath: sluice.ProxyDir, ReadOnly: true},
		{Name: sluice.AdminVolume, MountPath: sluice.AdminDir},
	}
	if hasSDS(p.pod, p.cfg) {
		mounts = append(mounts, corev1.VolumeMount{Name: volumeSDS, MountPath: p.cfg.SDSSocket})
	}
	return mounts
}

// hasSDS says whether the pod gets the socket of the node's secret discovery service.
func hasSDS(pod *Pod, cfg Config) bool {
	v, _ := pod.annotation(appmeshv1beta2.AnnotationSDS)
	return cfg.SDSSocket != "" && !strings.EqualFold(v, appmeshv1beta2.ValueDisabled)
}

// nodeMounts are ours, then those of the annotations secretMounts, whose volumes are added with them, and volumeMounts.
func nodeMounts(p *patch) ([]corev1.VolumeMount, error) {
	mounts := proxyMounts(p)
	secrets, err := mountPairs(p.pod, appmeshv1beta2.AnnotationSecretMounts, "secretName:mountPath")
	if err != nil {
		return nil, err
	}
	for _, m := range secrets {
		p.addVolume(corev1.Volume{Name: m.key, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: m.key}}})
		mounts = append(mounts, corev1.VolumeMount{Name: m.key, MountPath: m.value, ReadOnly: true})
	}
	volumes, err := mountPairs(p.pod, appmeshv1beta2.AnnotationVolumeMounts, "volumeName:mountPath")
	if err != nil {
		return nil, err
	}
	for _, m := range volumes {
		if !p.hasVolume(m.key) {
			p.warn("annotation %s: the pod has no volume %q, so it will be refused", appmeshv1beta2.AnnotationVolumeMounts, m.key)
		}
		mounts = append(mounts, corev1.VolumeMount{Name: m.key, MountPath: m.value, ReadOnly: true})
	}
	return mounts, nil
}

// mountPairs reads "name:/path,other:/path". A name that occurs twice has its last path, as with App Mesh.
func mountPairs(pod *Pod, annotation, format string) ([]pair, error) {
	text, ok := pod.annotation(annotation)
	if !ok {
		return nil, nil
	}
	var pairs []pair
	for segment := range strings.SplitSeq(text, ",") {
		name, path, ok := strings.Cut(segment, ":")
		if !ok || strings.Contains(path, ":") {
			return nil, malformed(annotation, format)
		}
		pairs = setPair(pairs, pair{strings.TrimSpace(name), strings.TrimSpace(path)})
	}
	return pairs, nil
}

func setPair(pairs []pair, kv pair) []pair {
	for i := range pairs {
		if pairs[i].key == kv.key {
			pairs[i].value = kv.value
			return pairs
		}
	}
	return append(pairs, kv)
}
