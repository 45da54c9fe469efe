// SPDX-License-Identifier: Apache-2.0

// Tapir runs virtual machines on this host and moves their packets with eBPF.
package main

import (
	"os"

	"github.com/tapir-vm/tapir/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
