package walkthrough

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Dump prints what somebody needs who was not there when a test failed.
func (c *Cluster) Dump(ctx context.Context, out io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"get", "pods", "-A", "-o", "wide"},
		{"-n", Namespace, "get", "canaries,deployments,replicasets,hpa,virtualnodes,virtualrouters,virtualservices,virtualgateways"},
		{"-n", Namespace, "get", "canary", App, "-o", "yaml"},
		{"-n", Namespace, "get", "virtualrouter", App, "-o", "yaml"},
		{"-n", Namespace, "get", "events", "--sort-by=.lastTimestamp"},
		{"-n", "sluice-system", "get", "events", "--sort-by=.lastTimestamp"},
		{"-n", "sluice-system", "logs", "-l", "app.kubernetes.io/name in (sluice-canary,sluice-mesh,sluice-webhook)", "--prefix", "--tail=120"},
	} {
		text, err := c.Run(ctx, args...)
		fmt.Fprintf(out, "\n--- kubectl %v\n%s", args, text)
		if err != nil {
			fmt.Fprintln(out, err)
		}
	}
}
