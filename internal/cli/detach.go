// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

func detachCommand() *cobra.Command {
	var netns, tap string
	cmd := &cobra.Command{
		Use:   "detach --netns PATH --tap TAP",
		Short: "Remove the datapath of a tap",
		Long: `Detach removes all that attach made: programs, maps, pins, and the tap if attach made it. Detaching
what is gone succeeds.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			return datapath.Detach(netns, tap)
		},
	}
	netnsFlag(cmd, &netns)
	tapFlag(cmd, &tap)
	_ = cmd.MarkFlagRequired("netns")
	_ = cmd.MarkFlagRequired("tap")
	return cmd
}
