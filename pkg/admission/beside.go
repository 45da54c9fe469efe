// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"errors"
	"fmt"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrKubeVirt says that there is a KubeVirt in the cluster: two systems would drive the same machines.
var ErrKubeVirt = errors.New("there is a KubeVirt in this cluster, and both would drive its machines: remove KubeVirt first, or install Tapir elsewhere")

// kubeVirtDefinition is there in every cluster with a KubeVirt: its operator's own kind, which Tapir doesn't have.
const kubeVirtDefinition = "kubevirts.kubevirt.io"

// RefuseKubeVirt returns an error wrapping ErrKubeVirt if there is a KubeVirt in the cluster.
func RefuseKubeVirt(ctx context.Context, config *rest.Config) error {
	c, err := client.New(config, client.Options{Scheme: scheme()})
	if err != nil {
		return fmt.Errorf("look for a KubeVirt: %w", err)
	}
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(apiextensions.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	err = c.Get(ctx, client.ObjectKey{Name: kubeVirtDefinition}, definition)
	if err == nil {
		return ErrKubeVirt
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("look for a KubeVirt: %w", err)
	}
	return nil
}
