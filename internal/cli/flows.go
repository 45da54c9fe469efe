// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

// flow is a row of `tapir flows`.
type flow struct {
	NIC string `json:"nic"`
	datapath.Flow
}

func flowsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flows [VM | --netns PATH --tap TAP]",
		Short: "Show the connections that the datapath knows",
		Long: `Flows lists the flow table: connections of the guest, of the pod's own processes, and of those that reach
the guest through the pod's loopback addresses. Entries are soft state: one that is missing is made again
by its next packet. Without arguments it shows every NIC of this host. In JSON, times are in nanoseconds.`,
	}
	t, out := targetFlags(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		flows, failed := collect(cmd.Context(), t, args, (*datapath.NIC).Flows, func(nic string, f datapath.Flow) flow { return flow{nic, f} })
		if failed != nil && len(flows) == 0 {
			return failed
		}
		if *out == "json" {
			return errors.Join(failed, printJSON(cmd.OutOrStdout(), flows))
		}
		var rows [][]string
		for _, f := range flows {
			nat := "-"
			if f.NATPort != f.GuestPort {
				nat = fmt.Sprint(f.NATPort)
			}
			rows = append(rows, []string{
				f.NIC, f.Proto, f.Owner, endpoint(f.Guest, f.GuestPort), endpoint(f.Remote, f.RemotePort), nat,
				f.Age.Round(time.Second).String(), f.Idle.Round(time.Second).String(), count(f.Packets), count(f.Bytes),
			})
		}
		return errors.Join(failed, printTable(cmd.OutOrStdout(),
			[]string{"NIC", "PROTO", "OWNER", "GUEST", "REMOTE", "NAT", "AGE", "IDLE", "PACKETS", "BYTES"}, rows))
	}
	return cmd
}

func endpoint(a netip.Addr, port uint16) string {
	return netip.AddrPortFrom(a, port).String()
}
