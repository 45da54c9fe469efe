// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tapir-vm/tapir/pkg/runner"
)

// leave is the key that ends a console: Ctrl-], as in telnet and virtctl.
const leave = 0x1d

func consoleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "console VM",
		Short: "Connect to a VM's serial console",
		Long: `Console joins this terminal to the VM's serial console; Ctrl-] leaves. When standard input is no
terminal, its bytes are typed into the console, and its end leaves.`,
		Args:              oneVM,
		ValidArgsFunction: completeVM,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			signal.Ignore(syscall.SIGPIPE) // an output that is gone is an error like any other: the terminal is restored
			conn, err := runner.Console(ctx, args[0])
			if err != nil {
				return err
			}
			defer conn.Close()
			if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
				fmt.Fprintf(cmd.ErrOrStderr(), "console of %s: Ctrl-] leaves\r\n", args[0])
				old, err := term.MakeRaw(fd)
				if err != nil {
					return fmt.Errorf("make the terminal raw: %w", err)
				}
				defer term.Restore(fd, old)
			}
			return join(ctx, conn, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// join copies between a console and a terminal until either ends, leave is typed, or ctx ends.
func join(ctx context.Context, conn net.Conn, in io.Reader, out io.Writer) error {
	done := make(chan error, 2)
	go func() {
		_, err := io.Copy(out, conn)
		done <- err
	}()
	go func() {
		_, err := io.Copy(conn, &keys{in: in})
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("console: %w", err)
		}
	case <-ctx.Done():
	}
	return nil
}

// keys passes on what is typed until leave.
type keys struct {
	in   io.Reader
	left bool
}

func (k *keys) Read(p []byte) (int, error) {
	if k.left {
		return 0, io.EOF
	}
	n, err := k.in.Read(p)
	for i, b := range p[:n] {
		if b == leave {
			k.left = true
			return i, nil
		}
	}
	return n, err
}
