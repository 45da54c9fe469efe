// SPDX-License-Identifier: Apache-2.0

// Command tapir-controller makes virtual machines of Kubernetes' VirtualMachine and VirtualMachineInstance objects: one launcher
// pod each. Several may run at once; one of them leads.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tapir-vm/tapir/pkg/controller"
	"github.com/tapir-vm/tapir/pkg/controller/pod"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "tapir-controller: %v\n", err)
		os.Exit(1)
	}
}

// flags are what an installation decides.
type flags struct {
	settings        pod.Settings
	namespace       string
	metrics, health string
}

func parse(args []string) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("tapir-controller", flag.ContinueOnError)
	set.StringVar(&f.settings.Image, "launcher-image", "", "image of the launcher pods (required)")
	set.BoolVar(&f.settings.Emulation, "allow-emulation", false, "run all guests without KVM: slow, but on any node")
	set.BoolVar(&f.settings.ImageVolumes, "image-volumes", false, "mount the images of container disks, not copy them; every node must have the feature ImageVolume")
	set.BoolVar(&f.settings.HostDisks, "allow-host-disks", false, "let machines use files of their nodes")
	set.StringVar(&f.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "Tapir's own namespace")
	set.StringVar(&f.metrics, "metrics-address", ":8080", "where /metrics is served")
	set.StringVar(&f.health, "health-address", ":8081", "where /healthz and /readyz are served")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case set.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", set.Arg(0))
	case f.settings.Image == "":
		return nil, errors.New("--launcher-image is missing: name the image of the launcher pods")
	case f.namespace == "":
		return nil, errors.New("--namespace is missing: name Tapir's own namespace, or set POD_NAMESPACE")
	}
	return f, nil
}

func run(ctx context.Context, args []string) error {
	f, err := parse(args)
	if err != nil {
		return err
	}
	log := logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, nil))
	ctrl.SetLogger(log)
	klog.SetLogger(log)

	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	mgr, err := controller.NewManager(ctx, config, f.settings, ctrl.Options{
		Metrics:                 server.Options{BindAddress: f.metrics},
		HealthProbeBindAddress:  f.health,
		LeaderElection:          true,
		LeaderElectionID:        "tapir-controller",
		LeaderElectionNamespace: f.namespace,
		// Nothing runs after the manager has ended, so the next may lead at once.
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return err
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return fmt.Errorf("set up health checks: %w", err)
	}
	return mgr.Start(ctx)
}
