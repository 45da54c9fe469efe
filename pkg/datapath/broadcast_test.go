// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/internal/nstest"
)

// A broadcast that a socket in the pod sends on the tap, as a DHCP server does, is looped back to the tap's ingress:
// it is not the guest's, and must neither be dropped nor teach the datapath a MAC.
func TestBroadcastOfThePodIsNotTheGuests(t *testing.T) {
	network := nstest.NewTopology(t)
	nic, err := Attach(Config{NetNS: network.Pod.Path(), NIC: "eth0", Tap: "tap0", TapUID: -1, TapGID: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nic.Close()
		if err := Detach(network.Pod.Path(), "tap0"); err != nil {
			t.Error(err)
		}
	})
	queues, err := OpenTap(network.Pod.Path(), "tap0", 1) // the tap has a carrier only while somebody holds it
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(queues)
	_, err = nstest.Run(network.Pod, func() (struct{}, error) {
		return struct{}{}, sendBroadcast("tap0")
	})
	if err != nil {
		t.Fatalf("sending a broadcast on the tap: %v", err)
	}
	drops, err := nic.Drops()
	if err != nil || len(drops) > 0 {
		t.Errorf("drops: %+v, %v: want none", drops, err)
	}
	status, err := nic.Status()
	if err != nil || status.GuestMAC != "" {
		t.Errorf("guest's MAC: %q, %v: want none learnt", status.GuestMAC, err)
	}
}

func sendBroadcast(device string) error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 67})
	if err != nil {
		return err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		sockErr = syscall.BindToDevice(int(fd), device)
		if sockErr == nil {
			sockErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
		}
	})
	if err == nil {
		err = sockErr
	}
	if err == nil {
		_, err = conn.WriteToUDP(make([]byte, 300), &net.UDPAddr{IP: net.IPv4bcast, Port: 68})
	}
	return err
}
