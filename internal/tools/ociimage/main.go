// SPDX-License-Identifier: Apache-2.0

// Ociimage makes a container image of a directory, without a container engine: an archive that `docker load`, `podman load`,
// `ctr images import` and `crane push` take. The same files give the same image, wherever and whenever it is made: all
// belong to root and are as old as the epoch.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	var o options
	var entrypoint, env string
	flag.StringVar(&o.output, "output", "", "archive to write")
	flag.StringVar(&o.reference, "reference", "", "the image's name and tag")
	flag.StringVar(&o.user, "user", "0:0", "UID:GID that it runs as")
	flag.StringVar(&entrypoint, "entrypoint", "", "command line, words separated by spaces")
	flag.StringVar(&env, "env", "", "variables, NAME=VALUE separated by spaces")
	flag.Parse()
	if flag.NArg() != 1 || o.output == "" || o.reference == "" {
		fmt.Fprintln(os.Stderr, "usage: ociimage -output FILE -reference NAME:TAG [-user UID:GID] [-entrypoint \"COMMAND ARGUMENT...\"] DIRECTORY")
		flag.PrintDefaults()
		os.Exit(2)
	}
	o.root, o.entrypoint, o.env = flag.Arg(0), strings.Fields(entrypoint), strings.Fields(env)
	size, err := o.write()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ociimage:", err)
		os.Exit(1)
	}
	fmt.Printf("%s: %.1f MiB, %.1f MiB compressed\n", o.reference, size.unpacked, size.packed)
}
