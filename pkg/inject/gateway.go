package inject

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
)

// configureGateway turns the container named envoy that the user brings into the gateway, in place: its ports,
// resources, security context and everything else that is the user's stay.
func configureGateway(p *patch) error {
	i, ok := find(p.pod.Spec.Containers, containerEnvoy)
	if !ok {
		return nil // Decide says so: ReasonNoGatewayContainer
	}
	g := &gateway{patch: p, container: p.pod.Spec.Containers[i], path: p.containers.path + "/" + strconv.Itoa(i)}
	p.ownsEnvoy = true
	if err := g.readEnv(); err != nil {
		return fmt.Errorf("configure container %s: %w", containerEnvoy, err)
	}
	command := pathEnvoy
	if keepsImage(p) {
		command = containerEnvoy // the user's image may have it elsewhere in its PATH
	} else if g.container.Image != p.cfg.ProxyImage {
		g.setImage()
	}
	for _, part := range []func() error{
		func() error { return g.setStrings("command", g.container.Command, []string{command}) },
		func() error { return g.setStrings("args", g.container.Args, envoyArgs(p, g.settings)) },
		g.setEnv,
		g.addMounts,
		g.setProbe,
		g.setLifecycle,
	} {
		if err := part(); err != nil {
			return fmt.Errorf("configure container %s: %w", containerEnvoy, err)
		}
	}
	return nil
}

// keepsImage says whether the container runs an image of the user's, which is not known to have proxyctl.
func keepsImage(p *patch) bool {
	if p.target.Kind != KindVirtualGateway || !annotationOn(p.pod, appmeshv1beta2.AnnotationVirtualGatewaySkipImageOverride) {
		return false
	}
	c, _ := envoyOf(p.pod)
	return c.Image != p.cfg.ProxyImage
}

// envoyOf is the container of a gateway that becomes its proxy.
func envoyOf(pod *Pod) (container, bool) {
	i, ok := find(pod.Spec.Containers, containerEnvoy)
	if !ok {
		return container{}, false
	}
	return pod.Spec.Containers[i], true
}

// gateway is the user's container in the making.
type gateway struct {
	*patch
	container container
	path      string
	env       environment
	settings  proxySettings
}

// readEnv reads the container's own variables.
func (g *gateway) readEnv() error {
	err := decode("env", g.container.Env, &g.env)
	if err != nil {
		return err
	}
	adviseVariables(g.patch, g.env)
	g.settings, err = settingsOf(g.patch, g.env)
	return err
}

// setImage replaces the placeholder. The pull policy goes with it: the API server chose it for the placeholder, whose
// missing tag means Always, and chooses again for our image if we name none.
func (g *gateway) setImage() {
	g.add(g.path+"/image", g.cfg.ProxyImage)
	switch {
	case g.cfg.ImagePullPolicy != "":
		g.add(g.path+"/imagePullPolicy", g.cfg.ImagePullPolicy)
	case g.container.ImagePullPolicy != "":
		g.ops = append(g.ops, Op{Op: "remove", Path: g.path + "/imagePullPolicy"})
	}
}

func (g *gateway) setStrings(name string, raw json.RawMessage, want []string) error {
	var have []string
	if err := decode(name, raw, &have); err != nil {
		return err
	}
	if !slices.Equal(have, want) {
		g.add(g.path+"/"+name, want)
	}
	return nil
}

// setEnv replaces our variables where they are and appends those that are missing; the others stay.
func (g *gateway) setEnv() error {
	env := &list{path: g.path + "/env", exists: present(g.container.Env)}
	for _, want := range slices.Concat(managedEnv(g.patch), g.settings.env) {
		at := slices.IndexFunc(g.env, func(e corev1.EnvVar) bool { return e.Name == want.Name })
		switch {
		case at < 0:
			g.insert(env, end, want)
		case !reflect.DeepEqual(g.env[at], want):
			g.ops = append(g.ops, Op{Op: "replace", Path: env.path + "/" + strconv.Itoa(at), Value: want})
		}
	}
	return nil
}

func (g *gateway) addMounts() error {
	var have []corev1.VolumeMount
	if err := decode("volumeMounts", g.container.VolumeMounts, &have); err != nil {
		return err
	}
	mounts := &list{path: g.path + "/volumeMounts", exists: present(g.container.VolumeMounts)}
	for _, want := range proxyMounts(g.patch) {
		if !slices.ContainsFunc(have, func(m corev1.VolumeMount) bool { return m.Name == want.Name }) {
			g.insert(mounts, end, want)
		}
	}
	return nil
}

// setProbe leaves a probe of the user's alone, as App Mesh did.
func (g *gateway) setProbe() error {
	if present(g.container.ReadinessProbe) {
		return nil
	}
	g.add(g.path+"/readinessProbe", corev1.Probe{ProbeHandler: ready(), PeriodSeconds: 2, TimeoutSeconds: 1, FailureThreshold: 3})
	return nil
}

// setLifecycle drains the gateway before it stops, unless the user has a hook of their own for that.
func (g *gateway) setLifecycle() error {
	want := lifecycle(g.patch)
	if want == nil {
		return nil
	}
	if !present(g.container.Lifecycle) {
		g.add(g.path+"/lifecycle", want)
		return nil
	}
	var have corev1.Lifecycle
	if err := decode("lifecycle", g.container.Lifecycle, &have); err != nil {
		return err
	}
	switch {
	case have.PreStop == nil:
		g.add(g.path+"/lifecycle/preStop", want.PreStop)
	case !reflect.DeepEqual(have.PreStop, want.PreStop):
		g.warn("container %s has a preStop hook of its own, so the gateway is not drained by ours; call %s drain in it if its image has that", containerEnvoy, pathProxyctl)
	}
	return nil
}

func decode(name string, raw json.RawMessage, into any) error {
	if !present(raw) {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("decode %s: %w", name, err)
	}
	return nil
}
