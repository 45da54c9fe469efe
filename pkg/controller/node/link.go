// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// syncLinks has the launcher of a machine that runs plug and unplug cables as the machine's spec wants it. What comes of it is in the
// launcher's next status. As in KubeVirt that is all that a link's state is: the datapath stays as it is, and QEMU passes no frame.
func syncLinks(ctx context.Context, vmi *kubevirt.VirtualMachineInstance, m *machine) error {
	is, wanted := m.status(), linksDown(vmi)
	if is.State != handover.Running && is.State != handover.Paused || slices.Equal(is.Down, wanted) {
		return nil
	}
	err := m.sockets.SetLinks(ctx, handover.Links{Down: wanted})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the launcher has just ended, and the pod will tell
	}
	return err
}

// linksDown lists the interfaces whose links the spec wants to be down, in its order.
func linksDown(vmi *kubevirt.VirtualMachineInstance) (down []string) {
	for i := range vmi.Spec.Domain.Devices.Interfaces {
		if nic := &vmi.Spec.Domain.Devices.Interfaces[i]; nic.State == kubevirt.InterfaceStateLinkDown {
			down = append(down, nic.Name)
		}
	}
	return down
}
