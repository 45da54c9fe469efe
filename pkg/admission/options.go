// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"errors"
	"fmt"
	"net"
	"slices"

	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/controller/pod"
	"github.com/tapir-vm/tapir/pkg/datapath"
)

// Binding is how an interface that doesn't say it is joined to its network.
type Binding string

// The bindings of KubeVirt's setting defaultNetworkInterface.
const (
	BindingMasquerade Binding = "masquerade"
	BindingBridge     Binding = "bridge"
)

// Options are what an installation decides.
type Options struct {
	// Namespace is Tapir's own: certificates and reservations of MAC addresses are kept there.
	Namespace string
	// Port is where the webhooks are served; 0 is 9443.
	Port int
	// Service is the name of the Service that leads there.
	Service string
	// Configuration is the name of the webhook configurations, mutating and validating, whose CA bundle is kept up to date.
	Configuration string
	// CertDir holds tls.crt and tls.key where something else, such as cert-manager, takes care of certificates and CA
	// bundles; "" has them made here.
	CertDir string
	// ControllerUser is the user name that the controller has at the API server. Only it gives objects the labels by which
	// pods and nodes are found.
	ControllerUser string
	// FirstMAC and LastMAC are the range that addresses are given out of.
	FirstMAC, LastMAC net.HardwareAddr
	// Binding is an interface's that names none.
	Binding Binding
	// EvictionStrategy is an instance's that names none; "" leaves it so.
	EvictionStrategy kubevirt.EvictionStrategy
	// Pods are the settings of launcher pods.
	Pods pod.Settings
}

// DefaultFirstMAC and DefaultLastMAC are a range of locally administered addresses.
var (
	DefaultFirstMAC = net.HardwareAddr{0x02, 0x54, 0, 0, 0, 0}
	DefaultLastMAC  = net.HardwareAddr{0x02, 0x54, 0xff, 0xff, 0xff, 0xff}
)

func (o *Options) validate() error {
	for name, value := range map[string]string{"Namespace": o.Namespace, "Service": o.Service, "Configuration": o.Configuration, "ControllerUser": o.ControllerUser} {
		if value == "" {
			return fmt.Errorf("admission: %s is missing", name)
		}
	}
	if !slices.Contains([]Binding{BindingMasquerade, BindingBridge}, o.Binding) {
		return fmt.Errorf("admission: default binding %q: want masquerade or bridge", o.Binding)
	}
	if s := o.EvictionStrategy; s != "" && !slices.Contains([]kubevirt.EvictionStrategy{kubevirt.EvictionStrategyNone, kubevirt.EvictionStrategyLiveMigrate,
		kubevirt.EvictionStrategyLiveMigrateIfPossible, kubevirt.EvictionStrategyExternal}, s) {
		return fmt.Errorf("admission: default eviction strategy %q: want None, LiveMigrate, LiveMigrateIfPossible or External", s)
	}
	if err := checkRange(o.FirstMAC, o.LastMAC); err != nil {
		return fmt.Errorf("admission: range of MAC addresses: %w", err)
	}
	return nil
}

func checkRange(first, last net.HardwareAddr) error {
	switch {
	case len(first) != 6 || len(last) != 6:
		return errors.New("addresses have six bytes, such as 02:54:00:00:00:00")
	case first[0] != last[0]:
		return errors.New("its ends must have the same first byte")
	case first[0]&1 != 0:
		return errors.New("multicast addresses are no machine's")
	case number(first) > number(last):
		return fmt.Errorf("%v comes after %v", first, last)
	case number(first) == number(last) && number(first) == number(datapath.GatewayMAC):
		return fmt.Errorf("%v is the gateway's, and there is no other", first)
	}
	return nil
}
