// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/internal/revision"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the commit that tapir was built from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return fmt.Errorf("this binary carries no build information: build it with Go modules (make build)")
			}
			settings := map[string]string{}
			for _, s := range info.Settings {
				settings[s.Key] = s.Value
			}
			fmt.Fprintf(cmd.OutOrStdout(), "tapir %s commit %s %s %s/%s\n", info.Main.Version,
				revision.Get(), info.GoVersion, settings["GOOS"], settings["GOARCH"])
			return nil
		},
	}
}
