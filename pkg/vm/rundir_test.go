// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSocketsInALongPath(t *testing.T) {
	d := runDir(filepath.Join(t.TempDir(), strings.Repeat("long", 30)))
	unlock, made, err := d.take()
	if err != nil || !made {
		t.Fatal(made, err)
	}
	defer unlock()
	l, err := d.listen(controlSocket)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.dial(t.Context(), controlSocket)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	l.Close()
	for _, name := range []string{controlSocket, consoleSocket} { // nobody listens; nothing there
		if _, err := d.dial(t.Context(), name); !errors.Is(err, ErrNotRunning) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRunDirIsTakenOnce(t *testing.T) {
	d := runDir(t.TempDir())
	unlock, made, err := d.take()
	if err != nil || made {
		t.Fatal(made, err)
	}
	if _, _, err := d.take(); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	if err := Remove(string(d)); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	unlock()
	if unlock, _, err = d.take(); err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestRunDirOfALivingProcess(t *testing.T) {
	d := runDir(t.TempDir())
	start, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.writeState(state{PID: os.Getpid(), Start: start}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.take(); !errors.Is(err, ErrRunning) {
		t.Errorf("take: got %v", err)
	}
	if err := Remove(string(d)); !errors.Is(err, ErrRunning) {
		t.Errorf("remove: got %v", err)
	}
	if _, err := os.Stat(d.path(stateFile)); err != nil {
		t.Error(err)
	}
}

// Only what a VM has left is removed, and the directory with it only if nothing else is there.
func TestRemove(t *testing.T) {
	d := runDir(filepath.Join(t.TempDir(), "vm"))
	if err := Remove(string(d)); err != nil {
		t.Errorf("what isn't there: %v", err)
	}
	if err := os.Mkdir(string(d), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{stateFile, newStateFile, qemuLog, diskPrefix + "a.raw", "notes"} {
		if err := os.WriteFile(d.path(name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(d.path(monitorSocket), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Remove(string(d)); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(string(d))
	if err != nil || len(left) != 1 || left[0].Name() != "notes" {
		t.Errorf("left: %v, %v", left, err)
	}
	os.Remove(d.path("notes"))
	if err := Remove(string(d)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(string(d)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is left: %v", err)
	}
}

// A QEMU that ends closes its sockets first, and may be seen as a process after that.
func TestOpenWhatIsEnding(t *testing.T) {
	d := runDir(t.TempDir())
	qemu := startSleep(t)
	begun, err := startTime(qemu.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.writeState(state{PID: qemu.Process.Pid, Start: begun}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", d.path(controlSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
		qemu.Process.Kill()
	}()
	if _, err := Open(t.Context(), string(d), slog.New(slog.DiscardHandler)); !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v, want %v", err, ErrNotRunning)
	}
}
