// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	clientgo "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	kubevirt "kubevirt.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/tapir-vm/tapir/pkg/controller/pod"
	"github.com/tapir-vm/tapir/pkg/controller/vm"
	"github.com/tapir-vm/tapir/pkg/controller/vmi"
)

// NewManager makes a manager with the controllers of tapir-controller. It refuses a cluster that KubeVirt is installed in, with an
// error wrapping [ErrKubeVirt]. Of options, scheme and cache are set here.
func NewManager(ctx context.Context, config *rest.Config, settings pod.Settings, options ctrl.Options) (ctrl.Manager, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server shares itself out (API Priority and Fairness); a limit here only makes starts slow
	if err := refuseKubeVirt(ctx, config); err != nil {
		return nil, err
	}
	options.Scheme, options.Cache = scheme(), Cache()
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, fmt.Errorf("set up the controller manager: %w", err)
	}
	if err := vmi.Setup(ctx, mgr, settings); err != nil {
		return nil, err
	}
	if err := vm.Setup(mgr); err != nil {
		return nil, err
	}
	return mgr, nil
}

// scheme knows Kubernetes' kinds and KubeVirt's.
func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgo.AddToScheme, kubevirt.AddToScheme} {
		if err := add(s); err != nil {
			panic(fmt.Sprintf("kinds that contradict one another: %v", err))
		}
	}
	return s
}
