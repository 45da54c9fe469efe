// SPDX-License-Identifier: Apache-2.0

package traffic_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/bench/traffic"
)

// Frames come to the tap as they were written: none is missing in a batch, and none overtakes another.
func TestWriterKeepsOrder(t *testing.T) {
	network, tap := joined(t)
	socket := -1
	err := network.Pod.Run(func() (err error) {
		if socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		// All protocols, or it would be behind the datapath.
		all := binary.NativeEndian.Uint16([]byte{unix.ETH_P_ALL >> 8, unix.ETH_P_ALL & 0xff})
		return errors.Join(
			unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}),
			unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index(t, lab.Tap)}))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	const enough = 100 // more than a batch, and no more than the socket holds
	w := traffic.NewWriter(network, tap, flows, true)
	for sent := uint64(0); sent < enough; { // a busy machine may not come to write at all
		n, err := w.Run(t.Context(), time.Now().Add(time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	frame := make([]byte, 100)
	for i := 0; i < enough; {
		if _, err := unix.Read(socket, frame); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if !slices.Equal(frame[:6], network.Guest.GatewayMAC) {
			continue // the kernel's own
		}
		if port := binary.BigEndian.Uint16(frame[36:]); port != uint16(1024+i) {
			t.Fatalf("frame %d is to port %d, want %d", i, port, 1024+i)
		}
		i++
	}
	noWorkers(t)
}

// A drain neither waits for packets in the kernel nor has a thread of the kernel's wait.
func TestDrainOfAnEmptyTapEnds(t *testing.T) {
	network, tap := joined(t)
	for _, sleeps := range []bool{false, true} {
		d := traffic.NewDrain(network, tap)
		d.Sleeps = sleeps
		var sent time.Time
		if _, err := d.While(t.Context(), func() error {
			time.Sleep(50 * time.Millisecond) // until it has found nothing, time and again
			sent = time.Now()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(sent); took > 2*time.Second {
			t.Errorf("sleeping %t: took %v to see that a tap is empty", sleeps, took)
		}
	}
	noWorkers(t)
}

// noWorkers looks for the threads that io_uring leaves to what it can't do at once. They stay for seconds.
func noWorkers(t *testing.T) {
	t.Helper()
	names, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil || len(names) == 0 {
		t.Fatal(err, "no threads")
	}
	for _, name := range names {
		// A thread may have ended since.
		if text, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(text), "iou-") {
			t.Errorf("io_uring made a thread %s", text)
		}
	}
}
