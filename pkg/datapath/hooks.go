// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"
)

// hook is one place in the pod where a program hangs.
type hook struct {
	name    string // the program's
	ifindex int
	attach  ebpf.AttachType // AttachTCXIngress, AttachTCXEgress or AttachXDP
}

var loopbackHook = hook{masqueradeProgTapirLoOut, loopbackIndex, ebpf.AttachTCXEgress}

// hooks lists a NIC's, in the order in which they are attached: who watches the pod's own flows and takes the
// answers comes before who lets the guest speak, and what only takes short cuts comes last.
func hooks(c *constants) []hook {
	return slices.DeleteFunc(everyHook(c), func(h hook) bool {
		return h == xdpHook(c) && !c.XDP || h == xdpTapHook(c) && !c.XDPOut
	})
}

// everyHook lists those, too, that this NIC doesn't use, and may have used before.
func everyHook(c *constants) []hook {
	return []hook{
		{masqueradeProgTapirNicOut, c.NICIndex, ebpf.AttachTCXEgress},
		loopbackHook,
		{masqueradeProgTapirNicIn, c.NICIndex, ebpf.AttachTCXIngress},
		{masqueradeProgTapirTapIn, c.TapIndex, ebpf.AttachTCXIngress},
		xdpHook(c),
		xdpTapHook(c),
	}
}

// xdpHook is where the fast path into the guest is.
func xdpHook(c *constants) hook { return hook{fastpathProgTapirXdpNic, c.NICIndex, ebpf.AttachXDP} }

// xdpTapHook is where the one out of it is.
func xdpTapHook(c *constants) hook { return hook{fastpathProgTapirXdpTap, c.TapIndex, ebpf.AttachXDP} }

// egress is where the pod's own frames are seen, and the guest's pass where they leave by the pod NIC.
func egress(c *constants) hook { return hooks(c)[0] }

func (h *hook) pin(dir string) string { return filepath.Join(dir, "link_"+h.name) }

// hang makes the program run in the place that was taken, or, where the kernel has no such places, as a filter.
func (h *hook) hang(key string, rec *record, program *ebpf.Program) error {
	if h.attach == ebpf.AttachXDP {
		if err := h.hangXDP(h.pin(pinDir(key)), program); err != nil {
			return fmt.Errorf("attaching %s: %w", h.name, err)
		}
		return nil
	}
	err := updateLink(h.pin(pinDir(key)), program)
	if errors.Is(err, fs.ErrNotExist) {
		err = h.attachFilter(key, rec, program)
	}
	if err != nil {
		return fmt.Errorf("attaching %s: %w", h.name, err)
	}
	return nil
}

// remove takes the hook's program away. What is gone already is no error.
func (h *hook) remove(dir string, rec *record) error {
	err := detachLink(h.pin(dir))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
		if h.attach != ebpf.AttachXDP {
			err = h.removeFilter(rec)
		}
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", h.name, err)
	}
	return nil
}

// hangs tells whether the hook's program is where it belongs. A filter is looked for in the calling thread's namespace.
func (h *hook) hangs(dir string) bool {
	runs, err := h.linkRuns(h.pin(dir))
	if errors.Is(err, fs.ErrNotExist) && h.attach != ebpf.AttachXDP {
		runs, err = h.hasFilter()
	}
	return err == nil && runs
}

func allHang(dir string, c *constants) bool {
	for _, h := range hooks(c) {
		if !h.hangs(dir) {
			return false
		}
	}
	return true
}
