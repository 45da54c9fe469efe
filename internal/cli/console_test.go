// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pair of pseudo-terminals: ours, and the one of a program.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

func mode(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

// checkConsole looks at what `tapir console` does to its terminal, and that it has the console alone.
func checkConsole(t *testing.T, name string) {
	t.Helper()
	ends := map[string]func(t *testing.T, keyboard *os.File, p *process){
		"Ctrl-]": func(t *testing.T, keyboard *os.File, p *process) {
			if _, err := keyboard.Write([]byte{leave}); err != nil {
				t.Error(err)
			}
			if err := p.Wait(); err != nil {
				t.Errorf("tapir console: %v", err)
			}
		},
		"SIGTERM": func(t *testing.T, _ *os.File, p *process) {
			if code := p.end(t, syscall.SIGTERM); code != 0 {
				t.Errorf("exit code %d", code)
			}
		},
	}
	for how, end := range ends {
		t.Run(how, func(t *testing.T) {
			keyboard, tty := terminal(t)
			before := mode(t, tty)
			cmd := command("console", name)
			cmd.Stdin = tty
			p := start(t, cmd)
			p.wait(t, "Ctrl-] leaves")
			eventually(t, "a raw terminal", func() error {
				if mode(t, tty).Lflag&unix.ECHO != 0 {
					return errors.New("it echoes")
				}
				return nil
			})
			t.Run("second", func(t *testing.T) { fails(t, command("console", name), "another tapir console") })
			end(t, keyboard, p)
			if after := mode(t, tty); after != before {
				t.Errorf("the terminal is left as %+v, and was %+v", after, before)
			}
		})
	}
}

// A VM without a serial console, and one that isn't there yet, say so.
func TestNoConsole(t *testing.T) {
	checkHost(t)
	stopAtEnd(t, "demo")
	file := writeManifest(t, vmManifest(t, replace(t, "rng: {}", "autoattachSerialConsole: false")))
	tapir(t, "run", "-d", "--accel", "tcg", "-f", file)
	t.Run("demo", func(t *testing.T) { fails(t, command("console", "demo"), "autoattachSerialConsole") })
	tapir(t, "stop", "--force", "demo")
}
