package lb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-mesh/sluice/test/cluster/hosts"
)

// Options says whom to serve and how.
type Options struct {
	Kubeconfig string
	Addresses  Range
	// HostsFile gets the names; empty means that the host resolves them otherwise.
	HostsFile string
	// Announce is a command that makes the network know an address; every %s
	// in it is the address. Empty means that it is reachable as it is.
	Announce string
	Log      io.Writer
}

// Run serves until the context ends, and then takes the names away again.
func Run(ctx context.Context, o Options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	services := factory.Core().V1().Services()
	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default: // one wake-up covers any number of changes
		}
	}
	if _, err := services.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(any, any) { notify() },
		DeleteFunc: func(any) { notify() },
	}); err != nil {
		return fmt.Errorf("watch Services: %w", err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	b := balancer{Options: o, client: client, announced: map[string]bool{}}
	for {
		select {
		case <-ctx.Done():
			return b.publish(nil)
		case <-changed:
		}
		all, err := services.Lister().List(labels.Everything())
		if err == nil {
			err = b.serve(ctx, all)
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(o.Log, err)
			time.AfterFunc(time.Second, notify)
		}
	}
}

type balancer struct {
	Options
	client    kubernetes.Interface
	announced map[string]bool
}

// serve makes addresses and names what the Services want now. The name is
// published before the status, so that whoever reads the status can use it.
func (b balancer) serve(ctx context.Context, services []*corev1.Service) error {
	assigned := Assign(services, b.Addresses)
	failed := b.publish(assigned)
	for _, a := range assigned {
		if err := b.announce(ctx, a.IP.String()); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if !a.Current {
			failed = errors.Join(failed, b.tell(ctx, a))
		}
	}
	return failed
}

func (b balancer) publish(assigned []Assignment) error {
	if b.HostsFile == "" {
		return nil
	}
	var entries []hosts.Entry
	for _, a := range assigned {
		entries = append(entries, hosts.Entry{IP: a.IP.String(), Name: a.Hostname})
	}
	return hosts.Set(b.HostsFile, entries)
}

func (b balancer) announce(ctx context.Context, ip string) error {
	if b.Announce == "" || b.announced[ip] {
		return nil
	}
	command := strings.Fields(strings.ReplaceAll(b.Announce, "%s", ip))
	if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("announce %s: %w: %s", ip, err, out)
	}
	b.announced[ip] = true
	return nil
}

// tell writes the status: address and hostname in one entry, as some clouds
// give the one and some the other, and users' scripts read either.
func (b balancer) tell(ctx context.Context, a Assignment) error {
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"loadBalancer": corev1.LoadBalancerStatus{
		Ingress: []corev1.LoadBalancerIngress{{IP: a.IP.String(), Hostname: a.Hostname}},
	}}})
	if err != nil {
		return fmt.Errorf("write the status of Service %s/%s: %w", a.Namespace, a.Name, err)
	}
	_, err = b.client.CoreV1().Services(a.Namespace).Patch(ctx, a.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("write the status of Service %s/%s: %w", a.Namespace, a.Name, err)
	}
	fmt.Fprintf(b.Log, "Service %s/%s is at %s (%s)\n", a.Namespace, a.Name, a.Hostname, a.IP)
	return nil
}
