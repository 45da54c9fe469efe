// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/spec"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// boot opens the taps and starts QEMU with them.
func (m *Machine) boot(ctx context.Context, v *spec.VM) error {
	cfg := v.VM
	cfg.RunDir = qemuDir(m.home.path)
	cfg.Acceleration = m.options.Acceleration
	cfg.UID = user(m.pod.Address4)
	cfg.GID = cfg.UID
	for i := range v.NICs {
		nic := v.NICs[i].Device
		files, err := datapath.OpenTap(m.pod.NetNS, v.NICs[i].Datapath.Tap, nic.Queues)
		if err != nil {
			return err
		}
		for _, f := range files {
			defer f.Close() // QEMU has its own
			nic.FDs = append(nic.FDs, int(f.Fd()))
		}
		if (nic.Model == "" || nic.Model == "virtio") && cfg.Acceleration != vm.TCG {
			backends, err := datapath.OpenVhost(len(nic.FDs))
			if err != nil {
				return err
			}
			for _, f := range backends {
				defer f.Close()
				nic.VHostFDs = append(nic.VHostFDs, int(f.Fd()))
			}
		}
		cfg.NICs = append(cfg.NICs, nic)
	}
	machine, err := vm.Start(ctx, cfg, m.log)
	if err != nil {
		return err
	}
	m.vm = machine
	m.undo.add(func() error { return m.kill(context.WithoutCancel(ctx)) })
	m.log.Info("guest is started", "acceleration", machine.Acceleration(), "qemu", machine.PID(),
		"took", time.Since(m.Started).Round(time.Millisecond))
	m.serve(ctx, "progress", func(ctx context.Context) error {
		for stage := range machine.Progress(ctx) {
			if stage != vm.Started {
				m.log.Info("guest boots", "stage", stage)
			}
		}
		return nil
	})
	return nil
}

// firstUser starts a range of user numbers that nobody gives out: above those of containers
// (https://systemd.io/UIDS-GIDS/).
const firstUser = 1879048192

// user is the number of the user as whom a machine's QEMU runs: one that no other machine of this host has,
// because no other one has its address.
func user(pod netip.Addr) int {
	ip := pod.As4()
	return firstUser + int(binary.BigEndian.Uint32(ip[:])&0xffffff)
}

// kill makes sure that the guest has ended.
func (m *Machine) kill(ctx context.Context) error {
	_, err := m.vm.Kill(ctx)
	return then(err, m.vm.Close())
}
