// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/metrics"
	"github.com/tapir-vm/tapir/pkg/runner"
)

// status is what `tapir status` shows.
type status struct {
	VMs  []runner.Info     `json:"vms"`
	NICs []datapath.Status `json:"nics"`
}

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [VM | --netns PATH --tap TAP]",
		Short: "Show the VMs and the attached NICs of this host",
		Long: `Status lists the VMs that tapir run made, and every tap with a datapath. A VM is running; or unattended,
when its tapir run was killed and only QEMU and the datapath live; or ended, when it had an accident, or was
killed together with its tapir run. Then its logs are in /run/tapir/vms/VM until tapir stop, or the next
tapir run, removes what is left.`,
	}
	t, out := targetFlags(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var s status
		var err error
		if s.VMs, err = t.vms(cmd.Context(), args); err != nil {
			return err
		}
		var failed error
		s.NICs, failed = collect(cmd.Context(), t, args, func(nic *datapath.NIC) ([]datapath.Status, error) {
			s, err := nic.Status()
			return []datapath.Status{s}, err
		}, func(_ string, s datapath.Status) datapath.Status { return s })
		switch {
		case failed == nil:
		case errors.Is(failed, errNoNIC) && len(s.VMs) > 0: // a VM may have lost its NICs
			failed = nil
		case len(s.VMs)+len(s.NICs) == 0:
			return failed
		}
		if *out == "json" {
			return errors.Join(failed, printJSON(cmd.OutOrStdout(), s))
		}
		return errors.Join(failed, s.print(cmd.OutOrStdout()))
	}
	return cmd
}

// vms finds the VMs meant: a tap needn't belong to one.
func (t *target) vms(ctx context.Context, args []string) ([]runner.Info, error) {
	switch {
	case t.tap != "":
		return []runner.Info{}, nil
	case len(args) == 0:
		return runner.List(ctx)
	}
	info, err := runner.Get(ctx, args[0])
	if errors.Is(err, runner.ErrNotFound) {
		return []runner.Info{}, nil
	}
	return []runner.Info{info}, err
}

func (s status) print(w io.Writer) error {
	if len(s.VMs) > 0 {
		var rows [][]string
		for _, v := range s.VMs {
			rows = append(rows, []string{v.Namespace + "/" + v.Name, phase(v), list(v.PodIPs...),
				time.Since(v.Started).Round(time.Second).String(), v.NetNS})
		}
		if err := printTable(w, []string{"VM", "PHASE", "POD IPS", "AGE", "NETNS"}, rows); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	return printNICs(w, s.NICs...)
}

// phase says by what accident a VM has ended, too.
func phase(v runner.Info) string {
	if v.Exit != nil {
		return printable(fmt.Sprintf("%s: %s", v.Phase, v.Exit))
	}
	return string(v.Phase)
}

func printNICs(w io.Writer, nics ...datapath.Status) error {
	var rows [][]string
	for _, n := range nics {
		health := n.Hook
		if !n.Healthy {
			health = "BROKEN" // attaching again mends it
		}
		if n.XDPObstacle != "" {
			health += " (what the guest sends: " + string(xdpWay(n)) + ": " + n.XDPObstacle + ")"
		}
		redirect := string(n.Config.Redirect)
		if n.Bypassed != "" {
			redirect += ": " + n.Bypassed
		}
		rows = append(rows, []string{metrics.IdentityOf(n.Config).String(), n.Config.Tap, n.Config.NIC, n.Config.NetNS, printable(health), printable(redirect),
			list(n.Addresses.Pod4, n.Addresses.Pod6), list(n.Addresses.Guest4, n.Addresses.Guest6), cmp.Or(n.GuestMAC, "-"),
			fmt.Sprintf("%d/%d", n.FlowCount, n.Config.Flows)})
	}
	return printTable(w, []string{"NIC", "TAP", "POD NIC", "NETNS", "HOOK", "REDIRECT", "POD IPS", "GUEST IPS", "GUEST MAC", "FLOWS"}, rows)
}

// xdpWay is how a guest's datagrams leave that has the fast path.
func xdpWay(n datapath.Status) datapath.Fastpath {
	if n.XDPTransmit {
		return datapath.FastpathXDP
	}
	return datapath.FastpathTC
}

// printNIC shows what attach has made.
func printNIC(cmd *cobra.Command, nic *datapath.NIC, out format) error {
	s, err := nic.Status()
	if err != nil {
		return err
	}
	if out == "json" {
		return printJSON(cmd.OutOrStdout(), s)
	}
	return printNICs(cmd.OutOrStdout(), s)
}

// list joins those addresses that are set.
func list(addresses ...netip.Addr) string {
	var set []string
	for _, a := range addresses {
		if a.IsValid() {
			set = append(set, a.String())
		}
	}
	return strings.Join(set, ",")
}
