// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

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
		Args: onlyTap(&netns, &tap),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			if err := datapath.Detach(netns, tap); err != nil {
				return err
			}
			sweep(cmd)
			return nil
		},
	}
	netnsFlag(cmd, &netns)
	tapFlag(cmd, &tap)
	_ = cmd.MarkFlagRequired("netns")
	_ = cmd.MarkFlagRequired("tap")
	return cmd
}

// sweep removes what pods that are gone have left. That isn't what the user asked for: when it fails, it can wait.
func sweep(cmd *cobra.Command) {
	swept, err := datapath.Sweep()
	for _, name := range swept {
		fmt.Fprintf(cmd.ErrOrStderr(), "removed what a deleted network namespace left: %s\n", name)
	}
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %v\n", err)
	}
}
