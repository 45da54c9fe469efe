// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// hook is one place in the pod where a program hangs.
type hook struct {
	name    string // also the program's
	ifindex int
	attach  ebpf.AttachType // AttachTCXIngress or AttachTCXEgress
	program *ebpf.Program
}

// hooks lists a NIC's, in the order in which they are attached: who watches the pod's own flows and takes the
// answers comes before who lets the guest speak.
func hooks(c *constants, objs *masqueradeObjects) []hook {
	return []hook{
		{masqueradeProgTapirNicOut, c.NICIndex, ebpf.AttachTCXEgress, objs.TapirNicOut},
		{masqueradeProgTapirNicIn, c.NICIndex, ebpf.AttachTCXIngress, objs.TapirNicIn},
		{masqueradeProgTapirLoOut, loopbackIndex, ebpf.AttachTCXEgress, objs.TapirLoOut},
		{masqueradeProgTapirTapIn, c.TapIndex, ebpf.AttachTCXIngress, objs.TapirTapIn},
	}
}

const loopbackIndex = 1 // LOOPBACK_IFINDEX in net/net_namespace.h

// hang attaches the program, in the calling thread's namespace, in the place of what Tapir had there before.
func (h *hook) hang(dir string) error {
	err := h.attachTCX(filepath.Join(dir, "link_"+h.name))
	if errors.Is(err, ebpf.ErrNotSupported) {
		err = h.attachFilter()
	}
	if err != nil {
		return fmt.Errorf("attaching %s: %w", h.name, err)
	}
	return nil
}

// removePins unpins all that is below dir: links without another holder are detached by that, maps freed.
func removePins(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing pins: %w", err)
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing pin: %w", err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the directory of pins: %w", err)
	}
	return nil
}
