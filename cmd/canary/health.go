package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// syncPatience is how long a readiness probe waits for the caches; the kubelet gives up after a second.
const syncPatience = 200 * time.Millisecond

// seesTheCluster makes a process ready once its watches have delivered, the standby's too: one that may not read
// something would otherwise look healthy and do nothing.
func seesTheCluster(c cache.Cache) healthz.Checker {
	return func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), syncPatience)
		defer cancel()
		if !c.WaitForCacheSync(ctx) {
			return errors.New("the watches have not delivered yet: does the service account have the rights of config/canary/rbac.yaml?")
		}
		return nil
	}
}
