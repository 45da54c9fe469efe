// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strings"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

// Identity says whose NIC one is. The datapath knows no VMs, only a name for each NIC: those who run VMs
// name it namespace/vm/interface, and anything else is the name of a machine without a namespace.
type Identity struct{ Namespace, VM, Interface string }

// Name is what datapath.Config.Name holds for a VM's interface.
func (id Identity) Name() string { return id.Namespace + "/" + id.VM + "/" + id.Interface }

// IdentityOf reads it back. The interface of a NIC that isn't a VM's is its tap.
func IdentityOf(cfg datapath.Config) Identity {
	name := strings.ToValidUTF8(cfg.Name, "?") // as labels have to be
	if parts := strings.Split(name, "/"); len(parts) == 3 {
		return Identity{parts[0], parts[1], parts[2]}
	}
	return Identity{VM: name, Interface: cfg.Tap}
}
