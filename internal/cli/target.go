// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/metrics"
	"github.com/tapir-vm/tapir/pkg/runner"
)

// target says which NICs a verb is about: that of a tap, those of a VM, or all of this host.
type target struct{ netns, tap string }

// targetFlags makes cmd take [VM | --netns PATH --tap TAP].
func targetFlags(cmd *cobra.Command) *target {
	t := &target{}
	cmd.Args = t.check
	cmd.ValidArgsFunction = completeVM
	netnsFlag(cmd, &t.netns)
	tapFlag(cmd, &t.tap)
	return t
}

func netnsFlag(cmd *cobra.Command, p *string) {
	cmd.Flags().StringVar(p, "netns", "", "the pod's network namespace: /run/netns/NAME or /proc/PID/ns/net")
	_ = cmd.MarkFlagFilename("netns")
}

func tapFlag(cmd *cobra.Command, p *string) {
	cmd.Flags().StringVar(p, "tap", "", "the guest's tap in that namespace")
}

// check refuses half a target, and more than one.
func (t *target) check(cmd *cobra.Command, args []string) error {
	switch {
	case t.netns+t.tap == "" && len(args) == 0:
		return nil
	case t.netns+t.tap == "":
		return oneVM(cmd, args)
	case len(args) > 0:
		return errors.New("name a VM, or --netns and --tap, not both")
	}
	return bothGiven(t.netns, t.tap)
}

var errNoNIC = errors.New("no NIC")

// noNIC says why there is none of that name.
func noNIC(ctx context.Context, name string) error {
	vm, err := runner.Get(ctx, name)
	switch {
	case errors.Is(err, runner.ErrNotFound):
		return fmt.Errorf("%s: no VM and %w of that name: tapir status lists what is there", name, errNoNIC)
	case err != nil:
		return err
	case vm.Phase == runner.Ended:
		return fmt.Errorf("%s has ended, and has %w any more: tapir status %s says how", name, errNoNIC, name)
	}
	return fmt.Errorf("%s has %w attached", name, errNoNIC)
}

// nics opens the NICs meant; the caller closes them with closeAll. Those that can't be opened are told of by the error,
// beside the others, unless a VM was named that has others.
func (t *target) nics(ctx context.Context, args []string) ([]*datapath.NIC, error) {
	if t.tap != "" {
		nic, err := datapath.Open(t.netns, t.tap)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("no datapath is attached to %s in %s: tapir status lists what is", t.tap, t.netns)
		}
		if err != nil {
			return nil, err
		}
		return []*datapath.NIC{nic}, nil
	}
	all, err := datapath.List()
	if len(args) == 0 {
		return all, err
	}
	var found []*datapath.NIC
	for _, nic := range all {
		id := metrics.IdentityOf(nic.Config())
		if slices.Contains([]string{id.VM, id.Namespace + "/" + id.VM, id.String(), nic.Config().Name}, args[0]) {
			found = append(found, nic)
		} else {
			nic.Close()
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case err != nil: // it may be about the NIC that is meant
		return nil, err
	}
	return nil, noNIC(ctx, args[0])
}

func closeAll(nics []*datapath.NIC) {
	for _, nic := range nics {
		nic.Close()
	}
}

// collect reads a list from each NIC meant, and makes a row, with the NIC's name, of each element. What can't be read of
// one NIC is told of by the error, beside the rows of the others.
func collect[E, R any](ctx context.Context, t *target, args []string, read func(*datapath.NIC) ([]E, error), row func(nic string, e E) R) ([]R, error) {
	if err := needRoot(); err != nil {
		return nil, err
	}
	nics, err := t.nics(ctx, args)
	defer closeAll(nics)
	errs := []error{err}
	rows := []R{} // an empty list in JSON, not null
	for _, nic := range nics {
		name := metrics.IdentityOf(nic.Config()).String()
		elements, err := read(nic)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading the datapath of %s: %w", name, err))
			continue
		}
		for _, e := range elements {
			rows = append(rows, row(name, e))
		}
	}
	return rows, errors.Join(errs...)
}

// completeVM offers the names of this host's VMs.
func completeVM(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	vms, err := runner.List(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for _, vm := range vms {
		names = append(names, vm.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
