// SPDX-License-Identifier: Apache-2.0

// Command tapir-controller makes launcher pods of Kubernetes' VirtualMachine and VirtualMachineInstance objects, and judges the
// objects before the API server takes them. Several may run at once: one of them leads, all of them judge.
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

	"github.com/tapir-vm/tapir/pkg/admission"
	"github.com/tapir-vm/tapir/pkg/controller"
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
	mgr, err := controller.NewManager(ctx, config, f.admission.Pods, ctrl.Options{
		Metrics:                 server.Options{BindAddress: f.metrics},
		HealthProbeBindAddress:  f.health,
		LeaderElection:          true,
		LeaderElectionID:        "tapir-controller",
		LeaderElectionNamespace: f.admission.Namespace,
		// Nothing runs after the manager has ended, so the next may lead at once.
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return err
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return fmt.Errorf("set up health checks: %w", err)
	}
	if err := admission.Setup(ctx, mgr, f.admission); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
