// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
)

// ErrKubeVirt is returned where KubeVirt is installed: two systems can't own the same kinds.
var ErrKubeVirt = errors.New("KubeVirt is installed in this cluster")

// serverPatience is between two tries to reach the API server.
const serverPatience = time.Second

// refuseKubeVirt looks for the kind that KubeVirt is installed by, which Tapir doesn't have. Anyone may ask which kinds there are. An
// API server that is away is waited for: a process that ended instead would be started again later and later, and be away
// itself for minutes when the server is back.
func refuseKubeVirt(ctx context.Context, config *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("look for KubeVirt: %w", err)
	}
	kinds, err := client.ServerResourcesForGroupVersion(kubevirt.GroupVersion.String())
	if away(err) {
		ctrl.LoggerFrom(ctx).Info("waiting for the API server", "problem", err.Error())
	}
	for away(err) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the API server: %w", context.Cause(ctx))
		case <-time.After(serverPatience):
		}
		kinds, err = client.ServerResourcesForGroupVersion(kubevirt.GroupVersion.String())
	}
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("kinds of %s are not there: install Tapir's definitions (deploy/crds)", kubevirt.GroupVersion)
	} else if err != nil {
		return fmt.Errorf("look for KubeVirt: %w", err)
	}
	for _, kind := range kinds.APIResources {
		if kind.Name == "kubevirts" {
			return fmt.Errorf("%w: delete it first, with its definition (customresourcedefinition kubevirts.kubevirt.io)", ErrKubeVirt)
		}
	}
	return nil
}

// away says whether an error is nobody's answer, or that of a server that is starting or has too much to do.
func away(err error) bool {
	var answer *apierrors.StatusError
	switch {
	case err == nil:
		return false
	case errors.As(err, &answer):
		return apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err)
	}
	return true
}
