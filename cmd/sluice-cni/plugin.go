package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/vishvananda/netns"

	"github.com/sluice-mesh/sluice/cmd/proxyinit/nft"
	"github.com/sluice-mesh/sluice/pkg/api/sluice"
	"github.com/sluice-mesh/sluice/pkg/inject/redirect"
)

// errRedirection is the code of our errors; those below 100 are the specification's.
const errRedirection = 100

// plugin is what a container runtime calls for every pod of the node. It fails only for pods that ask for redirection: all
// others, those that the node cannot do without among them, are none of its business.
type plugin struct {
	out, remarks io.Writer
}

func (p plugin) funcs() skel.CNIFuncs {
	nothing := func(*skel.CmdArgs) error { return nil }
	return skel.CNIFuncs{
		Add:   p.add,
		Check: p.check,
		Del:   nothing, // the rules go with the pod's network
		GC:    nothing, // nothing is kept outside of it
		// Nothing that could be missing: no daemon, no credentials, no files.
		Status: nothing,
	}
}

// add redirects the pod if it asks for it, and hands on what the plugins before found, as it is.
func (p plugin) add(args *skel.CmdArgs) error {
	call, err := readCall(args)
	if err != nil {
		return err
	}
	if call.asks() {
		if len(call.previous) == 0 {
			return call.fail(errors.New("no plugin ran before this one, which makes no network of its own: it belongs behind others in a conflist"))
		}
		if err := call.redirect(p.remarks); err != nil {
			return call.fail(err)
		}
	}
	result := call.previous
	if len(result) == 0 {
		result = json.RawMessage("{}") // which the runtime completes with the version
	}
	_, err = p.out.Write(result)
	return err
}

// check compares the rules of a pod that asked for redirection with those that it was to get.
func (p plugin) check(args *skel.CmdArgs) error {
	call, err := readCall(args)
	if err != nil || !call.asks() {
		return err
	}
	settings, err := redirect.FromAnnotations(call.annotations)
	if err == nil {
		err = inNamespace(args.Netns, func() error { return nft.Check(settings.Rulesets()) })
	}
	if err != nil {
		return call.fail(err)
	}
	return nil
}

// call is what the runtime says about one pod.
type call struct {
	pod         string
	netns       string
	annotations map[string]string
	// previous is the result of the plugins before, empty if there were none.
	previous json.RawMessage
}

// readCall is lenient: what it cannot read about a pod is as if it were not said.
func readCall(args *skel.CmdArgs) (call, error) {
	var config struct {
		PrevResult    json.RawMessage `json:"prevResult"`
		RuntimeConfig json.RawMessage `json:"runtimeConfig"`
	}
	if err := json.Unmarshal(args.StdinData, &config); err != nil {
		return call{}, types.NewError(types.ErrDecodingFailure, "read the configuration", err.Error())
	}
	c := call{pod: podOf(args.Args), netns: args.Netns}
	if text := strings.TrimSpace(string(config.PrevResult)); strings.HasPrefix(text, "{") {
		c.previous = config.PrevResult
	}
	// The runtime tells annotations to plugins that declare this capability.
	var runtimeConfig struct {
		Annotations map[string]string `json:"io.kubernetes.cri.pod-annotations"`
	}
	if json.Unmarshal(config.RuntimeConfig, &runtimeConfig) == nil {
		c.annotations = runtimeConfig.Annotations
	}
	return c, nil
}

// podOf is the name of the pod in what the runtime says of it, "K8S_POD_NAMESPACE=demo;K8S_POD_NAME=web-1".
func podOf(args string) string {
	said := map[string]string{}
	for pair := range strings.SplitSeq(args, ";") {
		key, value, _ := strings.Cut(pair, "=")
		said[key] = value
	}
	return said["K8S_POD_NAMESPACE"] + "/" + said["K8S_POD_NAME"]
}

// asks says whether the pod is to be redirected by us.
func (c call) asks() bool { return c.annotations[sluice.AnnotationRedirectedBy] == sluice.CNIPlugin }

// fail is an error that the pod's events show.
func (c call) fail(err error) error {
	return types.NewError(errRedirection, fmt.Sprintf("redirect pod %s to its proxy: %v", c.pod, err), "")
}

func (c call) redirect(remarks io.Writer) error {
	settings, err := redirect.FromAnnotations(c.annotations)
	if err != nil {
		return err
	}
	return inNamespace(c.netns, func() error {
		leftOut, err := nft.Apply(settings.Rulesets())
		if leftOut != "" {
			fmt.Fprintf(remarks, "sluice-cni: pod %s: %s\n", c.pod, leftOut)
		}
		return err
	})
}

// inNamespace runs fn in the network namespace of the pod, and never in our own, which is the node's.
func inNamespace(path string, fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine, and nobody meets it elsewhere
		result <- func() error {
			own, err := netns.Get()
			if err != nil {
				return fmt.Errorf("find the node's network: %w", err)
			}
			defer own.Close()
			pods, err := netns.GetFromPath(path)
			if err != nil {
				return fmt.Errorf("find the pod's network %s: %w", path, err)
			}
			defer pods.Close()
			if pods.Equal(own) {
				return fmt.Errorf("%s is the network of the node", path)
			}
			if err := netns.Set(pods); err != nil {
				return fmt.Errorf("enter the pod's network %s: %w", path, err)
			}
			return fn()
		}()
	}()
	return <-result
}
