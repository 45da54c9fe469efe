// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

// drop is a row of `tapir drops`.
type drop struct {
	NIC string `json:"nic"`
	datapath.Drop
}

func dropsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "drops [VM | --netns PATH --tap TAP]",
		Short: "Show what the datapath dropped, and why",
		Long: `Drops lists the packets that the datapath did not forward, by reason and direction: receive is towards
the guest, transmit away from it. Without arguments it shows every NIC of this host.`,
	}
	t, out := targetFlags(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		drops, failed := collect(cmd.Context(), t, args, (*datapath.NIC).Drops, func(nic string, d datapath.Drop) drop { return drop{nic, d} })
		if failed != nil && len(drops) == 0 {
			return failed
		}
		if *out == "json" {
			return errors.Join(failed, printJSON(cmd.OutOrStdout(), drops))
		}
		var rows [][]string
		for _, d := range drops {
			rows = append(rows, []string{d.NIC, d.Reason, d.Direction, count(d.Packets), count(d.Bytes)})
		}
		return errors.Join(failed, printTable(cmd.OutOrStdout(), []string{"NIC", "REASON", "DIRECTION", "PACKETS", "BYTES"}, rows))
	}
	return cmd
}
