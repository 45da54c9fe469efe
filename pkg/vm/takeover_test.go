// SPDX-License-Identifier: Apache-2.0

package vm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/tapir-vm/tapir/internal/guest"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// starterEnv has the test binary start a VM in the directory that it names, and nothing else.
const starterEnv = "TAPIR_TEST_START_VM_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(starterEnv); dir != "" {
		startAndSleep(dir)
	}
	clear := vm.PlaceKVM()
	code := m.Run()
	clear()
	os.Exit(code)
}

func startAndSleep(dir string) {
	c := vm.Config{
		Name: "orphan", RunDir: dir, UID: guest.User, GID: guest.User, Acceleration: vm.TCG, MemoryBytes: 256 << 20, Serial: true,
		Kernel: &vm.Kernel{Image: os.Getenv("KERNEL"), Initrd: os.Getenv("INITRD"), Cmdline: os.Getenv("CMDLINE")},
	}
	if _, err := vm.Start(context.Background(), c, quiet); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("started")
	select {}
}

// The starter is killed at its worst moment; another process goes on with the VM.
func TestVMOutlivesItsStarter(t *testing.T) {
	t.Parallel()
	c := guest.Config(t)
	starter := exec.Command("/proc/self/exe")
	starter.Env = append(os.Environ(), starterEnv+"="+c.RunDir,
		"KERNEL="+c.Kernel.Image, "INITRD="+c.Kernel.Initrd, "CMDLINE="+c.Kernel.Cmdline)
	starter.Stderr = os.Stderr
	out, err := starter.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatalf("the starter failed: %v, %v", err, starter.Wait())
	}
	starter.Process.Kill()
	starter.Wait()

	machine, err := vm.Open(guest.Context(t), c.RunDir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := machine.Status(guest.Context(t)); status != "running" || err != nil {
		t.Errorf("got %s, %v", status, err)
	}
	if machine.Name() != "orphan" || machine.Acceleration() != vm.TCG {
		t.Errorf("got %s, %s", machine.Name(), machine.Acceleration())
	}

	// While one has it, another waits as long as it likes; then it is its turn.
	impatient, cancel := context.WithCancel(t.Context())
	waited := make(chan error)
	go func() {
		_, err := vm.Open(impatient, c.RunDir, quiet)
		waited <- err
	}()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("open what is open: got %v", err)
	}
	if err := machine.Close(); err != nil {
		t.Error(err)
	}
	if _, err := machine.Wait(guest.Context(t)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("wait after close: got %v", err)
	}
	machine, err = vm.Open(guest.Context(t), c.RunDir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	exit, err := machine.Shutdown(guest.Context(t), guest.Timeout)
	if err != nil || exit.Reason != vm.HostRequest {
		t.Errorf("got %v, %v", exit, err)
	}
	if err := vm.Remove(c.RunDir); err != nil {
		t.Error(err)
	}
}
