// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	kubevirt "kubevirt.io/api/core/v1"
)

// ErrKubeVirt is returned where KubeVirt is installed: two systems can't own the same kinds.
var ErrKubeVirt = errors.New("KubeVirt is installed in this cluster")

// refuseKubeVirt looks for the kind that KubeVirt is installed by, which Tapir doesn't have. Anyone may ask which kinds there are.
func refuseKubeVirt(config *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("look for KubeVirt: %w", err)
	}
	kinds, err := client.ServerResourcesForGroupVersion(kubevirt.GroupVersion.String())
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
