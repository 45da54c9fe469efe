// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// portList is the value of --port: [name:]tcp/80, repeatable.
type portList []datapath.Port

func (p *portList) Type() string { return "[name:]tcp|udp/port" }

func (p *portList) String() string {
	var s []string
	for _, port := range *p {
		s = append(s, fmt.Sprintf("%s/%d", port.Protocol, port.Port))
	}
	return strings.Join(s, ",")
}

func (p *portList) Set(s string) error {
	name, rest, named := strings.Cut(s, ":")
	if !named {
		name, rest = "", s
	}
	protocol, number, _ := strings.Cut(rest, "/")
	protocol = strings.ToLower(protocol)
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 || (protocol != "tcp" && protocol != "udp") {
		return fmt.Errorf("want [name:]PROTOCOL/PORT such as tcp/80 or dns:udp/53")
	}
	*p = append(*p, datapath.Port{Name: name, Protocol: protocol, Port: uint16(n)})
	return nil
}

// cidr is the value of --cidr and --cidr6: a network of one family.
type cidr struct {
	*netip.Prefix
	is func(netip.Addr) bool
}

func (c cidr) Type() string { return "cidr" }

func (c cidr) Set(s string) error {
	p, err := netip.ParsePrefix(s)
	if err != nil || !c.is(p.Addr()) {
		return fmt.Errorf("want a network of this family, as in the default")
	}
	*c.Prefix = p.Masked()
	return nil
}

// mac is the value of --guest-mac.
type mac struct{ *net.HardwareAddr }

func (m mac) Type() string { return "mac" }

func (m mac) Set(s string) error {
	a, err := net.ParseMAC(s)
	if err != nil || len(a) != 6 {
		return fmt.Errorf("want an Ethernet address such as 02:12:34:56:78:9a")
	}
	*m.HardwareAddr = a
	return nil
}

var accelerations = []string{string(vm.Auto), string(vm.KVM), string(vm.TCG)}

// acceleration is the value of --accel.
type acceleration vm.Acceleration

func (a *acceleration) String() string { return string(*a) }
func (a *acceleration) Type() string   { return strings.Join(accelerations, "|") }

func (a *acceleration) Set(s string) error {
	if !slices.Contains(accelerations, s) {
		return fmt.Errorf("want one of %s", strings.Join(accelerations, ", "))
	}
	*a = acceleration(s)
	return nil
}
