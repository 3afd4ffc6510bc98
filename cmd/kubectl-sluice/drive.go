package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// fieldManager is the name by which the API server knows what people write through this command. It does not begin with
// "kubectl": Flux takes fields of such managers away from objects that it looks after.
const fieldManager = "sluice-cli"

// answerTimeout is how long a command waits for the canary process, unless it is told otherwise.
const answerTimeout = 15 * time.Second

// driver writes to one Canary, and waits for what becomes of it.
type driver struct {
	config *rest.Config
	client dynamic.ResourceInterface
	name   string
	full   string
	// timeout is how long the canary process is waited for.
	timeout time.Duration
}

// drive gives the driver of a Canary, and the Canary as it is now.
func (s *shell) drive(ctx context.Context, name string, timeout time.Duration) (*driver, *canaryv1beta1.Canary, error) {
	config, err := s.restConfig()
	if err != nil {
		return nil, nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	namespace := s.namespace()
	d := &driver{config, client.Resource(canaryResource).Namespace(namespace), name, namespace + "/" + name, timeout}
	c, err := d.get(ctx)
	return d, c, err
}

func (d *driver) get(ctx context.Context) (*canaryv1beta1.Canary, error) {
	u, err := d.client.Get(ctx, d.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("there is no Canary %s (%w); say where it is with -n", d.full, err)
	}
	if err != nil {
		return nil, advised(err, d.config)
	}
	return decodedCanary(u)
}

func decodedCanary(u *unstructured.Unstructured) (*canaryv1beta1.Canary, error) {
	c := &canaryv1beta1.Canary{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, c); err != nil {
		return nil, fmt.Errorf("read Canary %s/%s: %w", u.GetNamespace(), u.GetName(), err)
	}
	return c, nil
}

// annotate sets an annotation, or takes it away if value is nil.
func (d *driver) annotate(ctx context.Context, key string, value *string) (*canaryv1beta1.Canary, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]*string{key: value}}})
	if err != nil {
		return nil, err
	}
	u, err := d.client.Patch(ctx, d.name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return nil, advised(err, d.config)
	}
	return decodedCanary(u)
}

// until waits for a state of the Canary, which it looks at from the given one on.
func (d *driver) until(ctx context.Context, c *canaryv1beta1.Canary, reached func(*canaryv1beta1.Canary) bool) (*canaryv1beta1.Canary, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	for !reached(c) {
		events, err := d.client.Watch(ctx, metav1.ListOptions{
			FieldSelector: fields.OneTermEqualSelector("metadata.name", d.name).String(), ResourceVersion: c.ResourceVersion,
		})
		if err != nil {
			return nil, d.unanswered(ctx, err, c)
		}
		latest, err := next(events, c)
		events.Stop()
		if err != nil {
			return nil, d.unanswered(ctx, err, c)
		}
		c = latest
	}
	return c, nil
}

// errWatchEnded is a watch that tells nothing more.
var errWatchEnded = errors.New("the API server tells nothing more")

// next is the Canary after its next change.
func next(events watch.Interface, c *canaryv1beta1.Canary) (*canaryv1beta1.Canary, error) {
	for e := range events.ResultChan() {
		u, ok := e.Object.(*unstructured.Unstructured)
		switch {
		case e.Type == watch.Deleted:
			return nil, fmt.Errorf("Canary %s/%s was deleted", c.Namespace, c.Name) //nolint:staticcheck // begins with the name of a kind
		case e.Type == watch.Error:
			return nil, apierrors.FromObject(e.Object)
		case ok && (e.Type == watch.Added || e.Type == watch.Modified):
			return decodedCanary(u)
		}
	}
	return nil, errWatchEnded
}

// unanswered says why there is no answer.
func (d *driver) unanswered(ctx context.Context, err error, c *canaryv1beta1.Canary) error {
	if ctx.Err() == nil {
		return err
	}
	why := "is the canary process running? kubectl sluice doctor"
	if r := c.Status.Rollout; r != nil && r.Why != "" {
		why += "; the Canary's last word is: " + r.Why
	}
	return fmt.Errorf("the canary process has not answered within %s; %s", d.timeout, why)
}

// whoAmI is the name under which the API server knows the user; empty if it does not say.
func (d *driver) whoAmI(ctx context.Context) string {
	client, err := kubernetes.NewForConfig(d.config)
	if err != nil {
		return ""
	}
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return ""
	}
	return review.Status.UserInfo.Username
}
