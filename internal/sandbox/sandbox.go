// SPDX-License-Identifier: Apache-2.0

// Package sandbox runs the tests of a package on a host of their own: code that changes settings, firewall and
// routes of the host can be tested without touching the machine's.
//
// [Main] starts the test binary again in a new network namespace, with nothing but a loopback device, and a
// new mount namespace, with an empty /run and an empty BPF file system. All of it vanishes with the process,
// however that ends. Processes and /tmp are the machine's.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// inside tells the second process from the first.
const inside = "TAPIR_TEST_SANDBOX"

// Main is what a package's TestMain calls. It doesn't return.
func Main(m *testing.M) {
	if os.Getenv(inside) != "" {
		if err := prepare(); err != nil {
			fail(fmt.Errorf("prepare the sandbox: %w", err))
		}
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 {
		fail(errors.New("these tests make network namespaces: run them as root"))
	}
	code, err := again()
	if err != nil {
		fail(fmt.Errorf("run the tests in a sandbox: %w", err))
	}
	os.Exit(code)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// again runs this process's command in new namespaces and returns its exit code.
func again() (int, error) {
	// The second process gets its death signal when the thread that started it ends.
	runtime.LockOSThread()
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Args[0] = os.Args[0]
	command.Env = append(os.Environ(), inside+"=1")
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &unix.SysProcAttr{
		Unshareflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		Pdeathsig:    unix.SIGKILL,
	}
	// A terminal sends these to both processes: the second one ends, and the first reports it. SIGQUIT comes
	// from the go command when time is up, to the first only.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, unix.SIGQUIT)
	if err := command.Start(); err != nil {
		return 0, err
	}
	go func() {
		for s := range signals {
			// It fails only for a process that has ended.
			_ = command.Process.Signal(s)
		}
	}()
	err := command.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func prepare() error {
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	if err := unix.Mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=700"); err != nil {
		return fmt.Errorf("mount /sys/fs/bpf: %w", err)
	}
	// As the first `ip netns add` leaves it. Later it would hide namespaces that others have made by then.
	err := errors.Join(
		os.Mkdir("/run/netns", 0o755),
		unix.Mount("/run/netns", "/run/netns", "", unix.MS_BIND, ""),
		unix.Mount("", "/run/netns", "", unix.MS_SHARED, ""))
	if err != nil {
		return fmt.Errorf("mount /run/netns: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	return netlink.LinkSetUp(lo)
}
