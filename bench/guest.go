// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapir-vm/tapir/bench/lab"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// guestImage is what `make guest` builds, seen from the top of the source tree.
const guestImage = "build/guest"

const (
	guestMemory = 256 << 20
	guestUser   = 65534 // nobody
	bootTime    = 2 * time.Minute
)

// Services of the guest: those of RFC 862 to 864.
const (
	echoPort    = 7 // the image's own
	discardPort = 9
	chargenPort = 19
)

// setUp is the guest's user data. Nobody answers its DHCP client, which would take addresses away again.
const setUp = `#!/bin/sh
killall -9 udhcpc
ip addr add %s dev eth0
ip route add default via %s
nc -ll -p %d -e sh -c 'exec cat >/dev/null' &
nc -ll -p %d -e sh -c 'exec cat /dev/zero' &
`

// guestLacks is a Lacks of loads with a real guest.
func guestLacks() error {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return fmt.Errorf("install what Debian calls qemu-system-x86: %w", err)
	}
	for _, name := range []string{"vmlinuz", "initrd.gz"} {
		if _, err := os.Stat(filepath.Join(guestImage, name)); err != nil {
			return fmt.Errorf("run make guest, and tapir bench at the top of Tapir's source: %w", err)
		}
	}
	return nil
}

// boot starts QEMU on the network's tap, until the network is closed, and returns when the guest's services answer the peer.
func boot(ctx context.Context, network *lab.Network) error {
	tap, err := network.OpenTap(ctx)
	if err != nil {
		return err
	}
	defer tap.Close() // QEMU has its own
	// Fd takes the file from the runtime's poller, which nobody needs here.
	config, err := guestConfig(network, int(tap.Fd()))
	if err != nil {
		return err
	}
	// Before whatever is made, so that an end half-way removes it.
	network.OnClose(func() error { return os.RemoveAll(filepath.Dir(config.RunDir)) })
	machine, err := vm.Start(ctx, config, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("starting a guest: %w", err)
	}
	network.OnClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := machine.Kill(ctx)
		return errors.Join(err, machine.Close())
	})
	return awaitGuest(ctx, network.Peer)
}

func guestConfig(network *lab.Network, tap int) (vm.Config, error) {
	var config vm.Config
	image, err := filepath.Abs(guestImage)
	if err != nil {
		return config, err
	}
	dir, err := os.MkdirTemp("", "tapir-bench-")
	if err != nil {
		return config, err
	}
	guest := network.Guest
	return vm.Config{
		Name:         "bench",
		RunDir:       filepath.Join(dir, "vm"),
		UID:          guestUser,
		GID:          guestUser,
		Acceleration: vm.Auto,
		MemoryBytes:  guestMemory,
		Kernel: &vm.Kernel{
			Image:   filepath.Join(image, "vmlinuz"),
			Initrd:  filepath.Join(image, "initrd.gz"),
			Cmdline: "console=ttyS0 quiet",
		},
		NICs: []vm.NIC{{Name: "default", MAC: guest.MAC, MTU: network.MTU, FDs: []int{tap}}},
		CloudInit: &vm.CloudInit{
			UserData: fmt.Sprintf(setUp, guest.Address, guest.Gateway, discardPort, chargenPort),
			MetaData: "instance-id: bench\n",
		},
		RNG:    true,
		Serial: true,
	}, nil
}

// awaitGuest returns when the last of the guest's services takes connections.
func awaitGuest(ctx context.Context, peer *lab.Namespace) error {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	for {
		var fd int
		err := peer.Run(func() (err error) {
			fd, err = connect(netip.AddrPortFrom(lab.Pod.Addr(), chargenPort))
			return err
		})
		if err == nil {
			return unix.Close(fd)
		}
		if e := sleep(ctx, 100*time.Millisecond); e != nil {
			return fmt.Errorf("waiting for the guest to boot: %w (%w)", e, err)
		}
	}
}
