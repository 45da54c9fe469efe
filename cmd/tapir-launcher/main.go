// SPDX-License-Identifier: Apache-2.0

// Tapir-launcher runs the one virtual machine of its pod.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/pkg/launcher"
	"github.com/tapir-vm/tapir/pkg/vm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := command().ExecuteContext(ctx)
	var code exitCode
	switch {
	case errors.As(err, &code):
		os.Exit(int(code))
	case err != nil:
		fmt.Fprintln(os.Stderr, "tapir-launcher:", err)
		os.Exit(1)
	}
}

// exitCode is that of a command that ran in the guest.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func command() *cobra.Command {
	var acceleration string
	root := &cobra.Command{
		Use:           "tapir-launcher",
		Short:         "Run the virtual machine that the node's agent hands over",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			return launcher.Run(cmd.Context(), launcher.Options{Acceleration: vm.Acceleration(acceleration), Log: log})
		},
	}
	root.Flags().StringVar(&acceleration, "acceleration", string(vm.Auto), "auto, kvm or tcg")
	root.AddCommand(&cobra.Command{
		Use:   "kvm FILE",
		Short: "Find out whether KVM runs guests on this machine, and write it to FILE for the agent",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return probeKVM(cmd.Context(), args[0]) },
	}, &cobra.Command{
		Use:   "ping",
		Short: "Succeed if the guest's agent answers",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return launcher.Ping(cmd.Context(), "") },
	}, &cobra.Command{
		Use:   "exec -- COMMAND [ARGUMENT...]",
		Short: "Run a command in the guest, and end as it does",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			result, err := launcher.Exec(cmd.Context(), "", args)
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), result.Output)
			if result.ExitCode != 0 {
				return exitCode(result.ExitCode)
			}
			return nil
		},
	})
	return root
}
