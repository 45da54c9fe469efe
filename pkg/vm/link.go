// SPDX-License-Identifier: Apache-2.0

package vm

import "context"

// SetLink says whether NIC i of the Config has a carrier. While it has none the guest sees its cable unplugged, and QEMU takes no frame
// from guest or tap (set_link in QEMU's qapi/net.json).
func (v *VM) SetLink(ctx context.Context, i int, up bool) error {
	return v.mon.execute(ctx, "set_link", map[string]any{"name": nicID(i), "up": up}, nil)
}
