// SPDX-License-Identifier: Apache-2.0

// Tapir-agent joins the virtual machines of its node to the networks of their pods.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tapir-vm/tapir/internal/privilege"
	"github.com/tapir-vm/tapir/pkg/controller/node"
	"github.com/tapir-vm/tapir/pkg/deviceplugin"
	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/metrics"
)

// needed are the capabilities that the agent works with. All others are dropped before anything else happens.
var needed = []uintptr{
	unix.CAP_BPF,              // load programs and maps
	unix.CAP_PERFMON,          // programs that compare and compute with packet pointers
	unix.CAP_NET_ADMIN,        // taps, addresses, settings and links in the pods' network namespaces
	unix.CAP_NET_RAW,          // the socket that router advertisements are sent from
	unix.CAP_NET_BIND_SERVICE, // DHCP's ports
	unix.CAP_SYS_ADMIN,        // enter the pods' network namespaces; mount the BPF file system
	unix.CAP_DAC_OVERRIDE,     // the sockets in launchers' volumes are those of their user
}

func main() {
	if err := privilege.Keep(needed...); err != nil {
		fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := run(ctx, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintf(os.Stderr, "tapir-agent: %v\n", err)
	os.Exit(1)
}

// flags are what an installation decides.
type flags struct{ node, pods, plugins, kvm, metrics, health string }

func parse(args []string) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("tapir-agent", flag.ContinueOnError)
	set.StringVar(&f.node, "node", os.Getenv("NODE_NAME"), "name of the node that this runs on")
	set.StringVar(&f.pods, "pods", handover.KubeletPods, "where the kubelet has the volumes of its pods")
	set.StringVar(&f.plugins, "device-plugins", deviceplugin.KubeletDir, "where the kubelet has the sockets of its device plugins")
	set.StringVar(&f.kvm, "kvm", handover.KVMVerdict, "file in which tapir-launcher kvm has left whether KVM runs guests here")
	set.StringVar(&f.metrics, "metrics-address", ":8080", "where /metrics is served")
	set.StringVar(&f.health, "health-address", ":8081", "where /healthz and /readyz are served")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case set.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", set.Arg(0))
	case f.node == "":
		return nil, errors.New("--node is missing: name the node that this runs on, or set NODE_NAME")
	}
	return f, nil
}

func run(ctx context.Context, args []string) error {
	f, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	debug.SetGCPercent(50) // an agent is small and on every node: memory counts more than its own time
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	log := logr.FromSlogHandler(logger.Handler())
	ctrl.SetLogger(log)
	klog.SetLogger(log)

	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 node.Scheme(),
		Cache:                  node.Cache(f.node),
		Metrics:                server.Options{BindAddress: "0"}, // the NICs' are served instead
		HealthProbeBindAddress: f.health,
	})
	if err != nil {
		return fmt.Errorf("set up the agent: %w", err)
	}
	registry := metrics.New(f.node)
	sweeper, err := node.Setup(ctx, mgr, node.Options{Node: f.node, Pods: f.pods, Metrics: registry, Log: logger})
	if err != nil {
		return err
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("datapath", sweeper.Ready)); err != nil {
		return fmt.Errorf("set up health checks: %w", err)
	}
	if _, err := metrics.Serve(ctx, f.metrics, registry); err != nil {
		return err
	}
	offering := make(chan struct{})
	go func() {
		defer close(offering)
		deviceplugin.Serve(ctx, f.plugins, f.kvm, logger)
	}()
	err = mgr.Start(ctx)
	stop()
	<-offering
	return err
}
