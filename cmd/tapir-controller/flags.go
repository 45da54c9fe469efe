// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"

	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/admission"
)

// Names that the installation gives (deploy/charts/tapir).
const (
	service        = "tapir-webhook"
	configuration  = "tapir"
	serviceAccount = "tapir-controller"
)

// flags are what an installation decides.
type flags struct {
	admission       admission.Options
	metrics, health string
}

func parse(args []string) (*flags, error) {
	f := &flags{admission: admission.Options{
		Service: service, Configuration: configuration, Binding: admission.BindingMasquerade,
		FirstMAC: admission.DefaultFirstMAC, LastMAC: admission.DefaultLastMAC,
	}}
	o := &f.admission
	set := flag.NewFlagSet("tapir-controller", flag.ContinueOnError)
	set.StringVar(&o.Pods.Image, "launcher-image", "", "image of the launcher pods (required)")
	set.BoolVar(&o.Pods.Emulation, "allow-emulation", false, "run all guests without KVM: slow, but on any node")
	set.BoolVar(&o.Pods.ImageVolumes, "image-volumes", false, "mount the images of container disks, not copy them; every node must have the feature ImageVolume")
	set.BoolVar(&o.Pods.HostDisks, "allow-host-disks", false, "let machines use files of their nodes")
	set.Func("default-binding", "`binding` of interfaces that name none: masquerade or bridge (default masquerade)", func(s string) error {
		o.Binding = admission.Binding(s)
		return nil
	})
	set.Func("default-eviction-strategy", "eviction `strategy` of machines that name none (default none)", func(s string) error {
		o.EvictionStrategy = kubevirt.EvictionStrategy(s)
		return nil
	})
	set.Func("first-mac", fmt.Sprintf("first `address` of those that are given to interfaces (default %s)", o.FirstMAC), mac(&o.FirstMAC))
	set.Func("last-mac", fmt.Sprintf("last `address` of those that are given to interfaces (default %s)", o.LastMAC), mac(&o.LastMAC))
	set.StringVar(&o.CertDir, "webhook-cert-dir", "", "`directory` with tls.crt and tls.key that somebody else renews; empty has them made here")
	set.StringVar(&o.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "Tapir's own namespace")
	set.StringVar(&f.metrics, "metrics-address", ":8080", "where /metrics is served")
	set.StringVar(&f.health, "health-address", ":8081", "where /healthz and /readyz are served")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case set.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", set.Arg(0))
	case o.Pods.Image == "":
		return nil, errors.New("--launcher-image is missing: name the image of the launcher pods")
	case o.Namespace == "":
		return nil, errors.New("--namespace is missing: name Tapir's own namespace, or set POD_NAMESPACE")
	}
	o.ControllerUser = "system:serviceaccount:" + o.Namespace + ":" + serviceAccount
	return f, nil
}

func mac(to *net.HardwareAddr) func(string) error {
	return func(s string) (err error) {
		*to, err = net.ParseMAC(s)
		return err
	}
}
