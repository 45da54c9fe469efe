// SPDX-License-Identifier: Apache-2.0

package vm_test

import (
	"testing"

	"github.com/tapir-vm/tapir/internal/guest"
)

func TestBoot(t *testing.T) {
	g := guest.Boot(t, guest.Config(t))
	if got := g.Run("printf 'a\nb'; uname -s"); got != "a\nbLinux" {
		t.Errorf("%q", got)
	}
	t.Log(g.Console)
}
