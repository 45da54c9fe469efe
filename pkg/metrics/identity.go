// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strings"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

// Identity says whose NIC one is. The datapath knows no VMs, only a name for each NIC: those who run VMs
// name it namespace/vm/interface, and in a cluster namespace/vm/interface/pod; anything else is the name of a machine
// without a namespace.
type Identity struct{ Namespace, VM, Interface, Pod string }

// Name is what datapath.Config.Name holds for a VM's interface.
func (id Identity) Name() string {
	name := id.Namespace + "/" + id.VM + "/" + id.Interface
	if id.Pod != "" {
		name += "/" + id.Pod
	}
	return name
}

// String is the NIC's name for people: without the pod, which the VM's name tells.
func (id Identity) String() string {
	if id.Namespace == "" {
		return id.VM
	}
	id.Pod = ""
	return id.Name()
}

func (id Identity) labels(node string) []string {
	return []string{node, id.Namespace, id.VM, id.Interface, id.Pod}
}

// IdentityOf reads it back. The interface of a NIC that isn't a VM's is its tap.
func IdentityOf(cfg datapath.Config) Identity {
	name := strings.ToValidUTF8(cfg.Name, "?") // as labels have to be
	switch parts := strings.Split(name, "/"); len(parts) {
	case 3:
		return Identity{parts[0], parts[1], parts[2], ""}
	case 4:
		return Identity{parts[0], parts[1], parts[2], parts[3]}
	}
	return Identity{VM: name, Interface: cfg.Tap}
}
