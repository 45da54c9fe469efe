// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"bytes"
	"crypto/sha256"
	"net"
	"strings"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

// What identifies a machine and isn't given is derived from its names, so that it is the same after a restart and on
// every host: a guest's licences, leases and network configuration hang on it.

// space is the namespace of the UUIDs that are derived (RFC 9562 section 5.5).
var space = uuid.NewSHA1(uuid.NameSpaceDNS, []byte("tapir-vm.io"))

func deriveUUID(namespace, name string) string {
	return uuid.NewSHA1(space, []byte(namespace+"/"+name)).String()
}

// deriveMAC returns a locally administered unicast address (IEEE 802 section 8.4) that isn't the gateway's.
func deriveMAC(namespace, name, nic string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(namespace + "/" + name + "/" + nic))
	mac := net.HardwareAddr(sum[:6])
	mac[0] = mac[0]&^1 | 2
	if bytes.Equal(mac, datapath.GatewayMAC) {
		mac[5] = 1
	}
	return mac
}

// hostname is the guest's: KubeVirt takes the machine's name up to its first dot, cut to the length of a DNS label, which doesn't
// end in a dash.
func (c *conversion) hostname() string {
	if c.spec.Hostname == "" {
		label, _, _ := strings.Cut(c.machine.VMI.Name, ".")
		return strings.TrimRight(label[:min(len(label), validation.DNS1123LabelMaxLength)], "-")
	}
	c.failIf(c.path.Child("hostname"), c.spec.Hostname, validation.IsDNS1123Label(c.spec.Hostname))
	return c.spec.Hostname
}
