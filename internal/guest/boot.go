// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tapir-vm/tapir/pkg/vm"
)

// User is who QEMU runs as in tests: nobody.
const User = 65534

// Timeout bounds each step of a guest; an emulated one boots in two seconds where nothing else runs.
const Timeout = 2 * time.Minute

// Context ends with the test, or after Timeout.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	t.Cleanup(cancel)
	return ctx
}

// Guest is a running guest and its console.
type Guest struct {
	VM      *vm.VM
	Console *Console
	t       testing.TB
}

// Kernel is the guest's image with the command line that it needs; more is added to that.
func Kernel(t testing.TB, more string) *vm.Kernel {
	t.Helper()
	dir, err := imageDir()
	if err != nil {
		t.Fatal(err)
	}
	return &vm.Kernel{
		Image:   filepath.Join(dir, "vmlinuz"),
		Initrd:  filepath.Join(dir, "initrd.gz"),
		Cmdline: "console=ttyS0 quiet " + more,
	}
}

// imageDir finds build/guest of the source tree that we are in.
func imageDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		image := filepath.Join(dir, "build", "guest")
		if _, err := os.Stat(filepath.Join(image, "initrd.gz")); err == nil {
			return image, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("there is no build/guest/initrd.gz: run hack/guest-image.sh")
		}
		dir = parent
	}
}

// Config is a guest that boots: 256 MiB, one processor, emulated, a serial console, nothing else.
func Config(t testing.TB) vm.Config {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("run the tests as root: QEMU is started as another user")
	}
	return vm.Config{
		Name:         "guest",
		RunDir:       filepath.Join(t.TempDir(), "vm"),
		UID:          User,
		GID:          User,
		Acceleration: vm.TCG,
		MemoryBytes:  256 << 20,
		Kernel:       Kernel(t, ""),
		Serial:       true,
	}
}

// Boot starts a guest, which ends with the test, and waits until its shell reads.
func Boot(t testing.TB, cfg vm.Config) *Guest {
	t.Helper()
	ctx := Context(t)
	cfg.StartPaused = true
	machine, err := vm.Start(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, machine) })
	conn, err := vm.Console(ctx, cfg.RunDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	g := &Guest{VM: machine, Console: NewConsole(conn), t: t}
	if err := machine.Unpause(ctx); err != nil {
		t.Fatal(err)
	}
	g.Wait("ready")
	return g
}

// end kills a VM if it still runs.
func end(t testing.TB, machine *vm.VM) {
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	if _, err := machine.Kill(ctx); err != nil {
		t.Errorf("end the guest: %v", err)
	}
	machine.Close()
}

// Wait is Console.Wait, which must succeed.
func (g *Guest) Wait(word string) string {
	g.t.Helper()
	ctx := Context(g.t)
	rest, err := g.Console.Wait(ctx, word)
	if err != nil {
		g.t.Fatal(err)
	}
	return rest
}

// Run runs one line of shell, which must succeed, and returns what it printed.
func (g *Guest) Run(format string, args ...any) string {
	g.t.Helper()
	ctx := Context(g.t)
	command := fmt.Sprintf(format, args...)
	output, code, err := g.Console.Run(ctx, command)
	if err != nil {
		g.t.Fatal(err)
	}
	if code != 0 {
		g.t.Fatalf("%q in the guest: exit code %d: %s", command, code, output)
	}
	return output
}

// Type types one line, whatever becomes of it.
func (g *Guest) Type(line string) {
	g.t.Helper()
	if err := g.Console.Type(line); err != nil {
		g.t.Fatal(err)
	}
}
