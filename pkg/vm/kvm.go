// SPDX-License-Identifier: Apache-2.0

package vm

import "context"

// ProbeKVM returns nil when a guest that this machine's QEMU starts as that user runs with KVM and the host's processor model, else
// why it doesn't, or why that can't be told.
func ProbeKVM(ctx context.Context, uid, gid int) error {
	c := Config{UID: uid, GID: gid, Machine: defaultMachine}
	var err error
	if c.QEMU, err = findQEMU(""); err != nil {
		return err
	}
	return kvmRuns(ctx, &c)
}
