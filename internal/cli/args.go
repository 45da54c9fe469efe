// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// someVMs and oneVM are what verbs take that name VMs.
func someVMs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("which VM? tapir status lists those of this host")
	}
	return nil
}

func oneVM(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%s takes one VM: %s is too much", cmd.CommandPath(), args[1])
	}
	return someVMs(cmd, args)
}

// onlyTap is what verbs take that are about one tap, whose flags are read by now.
func onlyTap(netns, tap *string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.NoArgs(cmd, args); err != nil {
			return err
		}
		return bothGiven(*netns, *tap)
	}
}

// bothGiven refuses one of the flags without the other: a tap's name is unique in its namespace only.
func bothGiven(netns, tap string) error {
	switch {
	case netns == "" && tap == "":
		return errors.New("--netns and --tap are missing: they say which tap in which network namespace")
	case netns == "":
		return errors.New("--netns is missing: the network namespace that the tap is in")
	case tap == "":
		return errors.New("--tap is missing: which one of that network namespace")
	}
	return nil
}
