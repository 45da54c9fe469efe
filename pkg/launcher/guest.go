// SPDX-License-Identifier: Apache-2.0

package launcher

import (
	"context"
	"reflect"
	"time"

	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// guestInterval is how often a guest's agent is asked: it tells nothing by itself.
const guestInterval = 10 * time.Second

// watchGuest keeps what the guest says of itself in the status until ctx ends.
func (l *launcher) watchGuest(ctx context.Context, machine *vm.VM) {
	events := machine.Events(ctx)
	tick := time.NewTicker(guestInterval)
	defer tick.Stop()
	for {
		guest := askGuest(ctx, machine)
		if now, _ := l.status.read(); !reflect.DeepEqual(guest, now.Guest) {
			l.status.change(func(s *handover.Status) { s.Guest = guest })
		}
		for ask := false; !ask; {
			select {
			case event, ok := <-events:
				if !ok {
					return
				}
				ask = event.Event == "VSERPORT_CHANGE"
			case <-tick.C:
				ask = true
			case <-ctx.Done():
				return
			}
		}
	}
}

// askGuest returns nil when nobody in the guest answers.
func askGuest(ctx context.Context, machine *vm.VM) *handover.Guest {
	if open, err := machine.AgentConnected(ctx); err != nil || !open {
		return nil
	}
	info, err := machine.GuestInfo(ctx)
	if err != nil {
		return nil
	}
	guest := &handover.Guest{
		Hostname: info.Hostname,
		OS: kubevirt.VirtualMachineInstanceGuestOSInfo{
			Name: info.OS.Name, ID: info.OS.ID, Version: info.OS.Version, VersionID: info.OS.VersionID, PrettyName: info.OS.PrettyName,
			KernelRelease: info.OS.KernelRelease, KernelVersion: info.OS.KernelVersion, Machine: info.OS.Machine,
		},
	}
	for _, i := range info.Interfaces {
		guest.Interfaces = append(guest.Interfaces, handover.GuestInterface{Name: i.Name, MAC: i.MAC, IPs: i.IPs})
	}
	return guest
}
