// SPDX-License-Identifier: Apache-2.0

// Lab brings up the cluster of package lab and takes it down.
//
//	lab up [-nodes N] [-ipv4] [IMAGE-ARCHIVE...]    returns when the cluster is there
//	lab down
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/tapir-vm/tapir/test/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("usage: lab up [-nodes N] [-ipv4] [IMAGE-ARCHIVE...] | lab down")
	}
	verb, arguments := arguments[0], arguments[1:]
	switch verb {
	case "up":
		return background(ctx, arguments)
	case "serve":
		return serve(ctx, arguments)
	case "down":
		found, err := lab.End()
		if err == nil && !found {
			fmt.Println("lab: there is none")
		}
		return err
	}
	return fmt.Errorf("unknown verb %q", verb)
}

// serve is the process of a lab: it lasts until it is told to end.
func serve(ctx context.Context, arguments []string) error {
	config := lab.Config{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	flags := flag.NewFlagSet("lab up", flag.ExitOnError)
	flags.StringVar(&config.Dir, "dir", "build/lab", "where hack/lab.sh has put its programs")
	flags.IntVar(&config.Nodes, "nodes", 2, "number of nodes")
	ipv4 := flags.Bool("ipv4", false, "no IPv6")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	config.DualStack, config.Images = !*ipv4, flags.Args()
	l, err := lab.Up(ctx, config)
	if err != nil {
		return err
	}
	if err := detach(); err != nil {
		return errors.Join(err, l.Down())
	}
	<-ctx.Done()
	return l.Down()
}
