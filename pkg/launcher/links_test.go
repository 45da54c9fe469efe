// SPDX-License-Identifier: Apache-2.0

package launcher_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/tapir-vm/tapir/pkg/handover"
)

// What can't be done with links is refused with a reason, and changes nothing.
func TestLinksThatAreNot(t *testing.T) {
	r := newRig(t)
	if err := r.sockets.SetLinks(r.ctx, handover.Links{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a launcher: %v", err)
	}
	r.hand(t, machine(t, ""))
	r.wait(t, state(handover.Running))
	if err := r.sockets.SetLinks(r.ctx, handover.Links{Down: []string{"other"}}); err == nil || !strings.Contains(err.Error(), `no interface`) {
		t.Errorf("of an interface that isn't: %v", err)
	}
	if err := r.sockets.SetLinks(r.ctx, handover.Links{}); err != nil {
		t.Errorf("of a machine without interfaces: %v", err)
	}
	if status := r.wait(t, state(handover.Running)); len(status.Down) != 0 {
		t.Errorf("status %+v", status)
	}
	r.Stop(t)
	r.exit(t)
}
