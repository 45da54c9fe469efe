// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/pkg/runner"
)

func stopCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "stop VM...",
		Short: "Power a VM down and remove all that run made for it",
		Long: `Stop presses the VM's power button, waits for its grace period, ends it if it still runs, and removes its
datapath, pod namespace and files: also when its tapir run was killed.`,
		Args:              someVMs,
		ValidArgsFunction: completeVM,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			ctx, cancel := untilSignal(cmd.Context())
			defer cancel()
			var errs []error
			for _, name := range args {
				err := runner.Stop(ctx, name, force, watch(cmd.OutOrStdout()))
				switch {
				case errors.Is(err, runner.ErrNotFound): // says which
				case err != nil:
					err = fmt.Errorf("stop %s: %w", name, err)
				default:
					fmt.Fprintf(cmd.OutOrStdout(), "%s: stopped\n", name)
				}
				errs = append(errs, err)
				if ctx.Err() != nil { // the user won't wait for the others either
					break
				}
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "end the guest at once, as if its power were cut")
	return cmd
}
