package inject

// This file reads what the structures of pod.go say, without decoding the rest. A law of the tests holds the two together.

// read reports whether the pod has metadata and a spec.
func (p *Pod) read(c *Cursor) bool {
	metadata, spec := false, false
	c.Members(func(key []byte) {
		switch string(key) {
		case "metadata":
			metadata = p.Metadata.read(c)
		case "spec":
			spec = p.Spec.read(c)
		default:
			c.Value()
		}
	})
	return metadata && spec
}

func (m *podMetadata) read(c *Cursor) bool {
	return c.Members(func(key []byte) {
		switch string(key) {
		case "name":
			m.Name = c.Text()
		case "generateName":
			m.GenerateName = c.Text()
		case "labels":
			m.Labels = c.Texts()
		case "annotations":
			m.Annotations = c.Texts()
		default:
			c.Value()
		}
	})
}

func (s *podSpec) read(c *Cursor) bool {
	return c.Members(func(key []byte) {
		switch string(key) {
		case "hostNetwork":
			c.Into(&s.HostNetwork)
		case "nodeSelector":
			s.NodeSelector = c.Texts()
		case "restartPolicy":
			s.RestartPolicy = c.Text()
		case "terminationGracePeriodSeconds":
			c.Into(&s.TerminationGracePeriodSeconds)
		case "os":
			c.Into(&s.OS)
		case "securityContext":
			c.Into(&s.SecurityContext)
		case "initContainers":
			s.InitContainers = readList(c, (*container).read)
		case "containers":
			s.Containers = readList(c, (*container).read)
		case "volumes":
			s.Volumes = readList(c, (*named).read)
		case "imagePullSecrets":
			s.ImagePullSecrets = readList(c, (*named).read)
		default:
			c.Value()
		}
	})
}

func (k *container) read(c *Cursor) {
	c.Members(func(key []byte) {
		switch string(key) {
		case "name":
			k.Name = c.Text()
		case "image":
			k.Image = c.Text()
		case "imagePullPolicy":
			k.ImagePullPolicy = c.Text()
		case "securityContext":
			c.Into(&k.SecurityContext)
		case "command":
			k.Command = c.Value()
		case "args":
			k.Args = c.Value()
		case "env":
			k.Env = c.Value()
		case "ports":
			k.Ports = c.Value()
		case "volumeMounts":
			k.VolumeMounts = c.Value()
		case "readinessProbe":
			k.ReadinessProbe = c.Value()
		case "livenessProbe":
			k.LivenessProbe = c.Value()
		case "startupProbe":
			k.StartupProbe = c.Value()
		case "lifecycle":
			k.Lifecycle = c.Value()
		default:
			c.Value()
		}
	})
}

func (n *named) read(c *Cursor) {
	c.Members(func(key []byte) {
		if string(key) == "name" {
			n.Name = c.Text()
			return
		}
		c.Value()
	})
}

// readList is nil for a null, to which nothing can be added.
func readList[T any](c *Cursor, read func(*T, *Cursor)) []T {
	list := []T{}
	if !c.Items(func() {
		var item T
		read(&item, c)
		list = append(list, item)
	}) {
		return nil
	}
	return list
}
