// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/bench/report"
)

func benchCompareCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "compare BEFORE.json AFTER.json",
		Short:   "Show what changed between two runs",
		Example: `  tapir bench compare bench/results/A.json bench/results/B.json`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			before, err := report.Read(args[0])
			if err != nil {
				return err
			}
			after, err := report.Read(args[1])
			if err != nil {
				return err
			}
			return report.Compare(cmd.OutOrStdout(), before, after)
		},
	}
}

func benchCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check RESULTS.json",
		Short: "Hold a run to the targets' thresholds",
		Long: `Check writes Tapir's targets with what was measured of them. Each ratio has two bounds: beyond yellow is a warning,
beyond red fails the command. Both take three quarters of the rounds.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := report.Read(args[0])
			if err != nil {
				return err
			}
			red, err := r.Check(cmd.OutOrStdout())
			if err == nil && red > 0 {
				err = fmt.Errorf("%d ratios are red: tapir bench compare shows what changed since a run that was not", red)
			}
			return err
		},
	}
}

func benchReportCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "report RESULTS.json",
		Short:   "Write the page of charts of a run",
		Example: `  tapir bench report bench/results/A.json >A.html`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := report.Read(args[0])
			if err != nil {
				return err
			}
			return r.WriteHTML(cmd.OutOrStdout())
		},
	}
}
