// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// Main runs the command line and returns the process's exit code.
func Main(args []string) int {
	root := New()
	if filepath.Base(os.Args[0]) == kubectlName {
		root = newPlugin()
	}
	root.SetArgs(args)
	if err := root.Execute(); err != nil {
		for line := range strings.SplitSeq("tapir: "+advise(err).Error(), "\n") {
			fmt.Fprintln(os.Stderr, printable(line))
		}
		return 1
	}
	return 0
}

// New returns the tapir command with all its verbs.
func New() *cobra.Command {
	root := &cobra.Command{
		Use:   "tapir",
		Short: "Run virtual machines whose packets are moved by eBPF",
		Long: `Tapir runs virtual machines from kubevirt.io/v1 manifests and moves their packets with eBPF
programs between the VM's tap device and the pod's NIC: no nftables rule, no Linux bridge.

    run, stop, console    virtual machines on this host, without Kubernetes
    attach, detach        the datapath for any tap in any network namespace
    status, flows, drops  what is attached, and what its packets do`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true, // the date would change docs/cli at every generation
		// Cobra's own error about an unknown verb has several lines.
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no verb %q: tapir --help lists those there are", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(
		runCommand(), stopCommand(), consoleCommand(),
		attachCommand(), detachCommand(),
		statusCommand(), flowsCommand(), dropsCommand(),
		benchCommand(),
		versionCommand(),
	)
	return root
}
