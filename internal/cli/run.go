// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/pkg/runner"
	"github.com/tapir-vm/tapir/pkg/spec"
	"github.com/tapir-vm/tapir/pkg/standalone"
	"github.com/tapir-vm/tapir/pkg/vm"
)

type runOptions struct {
	files        []string
	background   bool
	accel        acceleration
	pool4, pool6 netip.Prefix
	metricsAddr  string
}

func runCommand() *cobra.Command {
	o := runOptions{accel: acceleration(vm.Auto), pool4: standalone.DefaultPool4, pool6: standalone.DefaultPool6}
	cmd := &cobra.Command{
		Use:   "run -f FILE...",
		Short: "Boot the VMs of kubevirt.io/v1 manifests on this host",
		Long: `Run makes a pod namespace for each VirtualMachine or VirtualMachineInstance of the files, joins it to
the host, attaches the datapath, and boots the VM under QEMU. A field that is not supported is an error
that names it.

In the foreground it ends when the guests do; Ctrl-C powers them down within their grace period, a second
one ends them at once. With -d it returns as soon as they run.`,
		Example: `  tapir run -f examples/vm.yaml
  tapir run -d -f vm.yaml -f secret.yaml`,
		Args: o.check,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			parent := backgroundParent()
			switch {
			case parent != nil:
				return parent.tell(o.run(cmd, parent, parent.ready))
			case o.background && slices.Contains(o.files, "-"):
				return runInBackground(cmd, os.Stdin)
			case o.background:
				return runInBackground(cmd, nil)
			}
			return o.run(cmd, cmd.OutOrStdout(), func() {})
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.files, "filename", "f", nil, "manifest, repeatable; - is standard input")
	f.BoolVarP(&o.background, "detach", "d", false, "return when the VMs run")
	f.Var(&o.accel, "accel", "acceleration; auto takes KVM where it is seen to run a guest")
	f.Var(cidr{&o.pool4, netip.Addr.Is4}, "pod-cidr", "pods get their IPv4 addresses from this network")
	f.Var(cidr{&o.pool6, netip.Addr.Is6}, "pod-cidr6", "pods get their IPv6 addresses from this network")
	metricsFlag(cmd, &o.metricsAddr)
	_ = cmd.MarkFlagRequired("filename")
	_ = cmd.MarkFlagFilename("filename", "yaml", "yml")
	_ = cmd.RegisterFlagCompletionFunc("accel", cobra.FixedCompletions(accelerations, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check says how files are given: without -f is how one would guess it.
func (o *runOptions) check(_ *cobra.Command, args []string) error {
	files := append(slices.Clone(o.files), args...)
	switch {
	case len(files) == 0:
		return errors.New("which VMs? tapir run -f FILE")
	case len(args) > 0:
		return fmt.Errorf("%s: each file needs its -f: tapir run -f %s", args[0], strings.Join(files, " -f "))
	}
	return nil
}

// run shows progress on w and calls ready when all machines run; it returns when all have ended.
func (o *runOptions) run(cmd *cobra.Command, w io.Writer, ready func()) error {
	objects, err := spec.LoadFiles(cmd.InOrStdin(), o.files...)
	if err != nil {
		return err
	}
	var vms []*spec.VM
	var errs []error
	for _, m := range objects.Machines {
		v, err := spec.Convert(m, objects)
		vms, errs = append(vms, v), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	// The machines live long: no directory shall be busy because run was called in it.
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("leave the working directory: %w", err)
	}
	ctx, kill, stop := patience(cmd.Context())
	defer stop()
	registry, err := newMetrics(ctx, o.metricsAddr, w)
	if err != nil {
		return err
	}
	return runner.Run(ctx, vms, runner.Options{
		Acceleration: vm.Acceleration(o.accel),
		PodCIDR4:     o.pool4,
		PodCIDR6:     o.pool6,
		Log:          watch(w),
		Metrics:      registry,
		Kill:         kill,
	}, ready)
}
