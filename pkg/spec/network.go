// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"bytes"
	"net"
	"net/netip"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
	kubevirt "kubevirt.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/datapath"
	"github.com/tapir-vm/tapir/pkg/dhcp"
	"github.com/tapir-vm/tapir/pkg/vm"
)

// Names of the pod's devices, as KubeVirt and CNI plugins have them.
const (
	podNIC = "eth0"
	podTap = "tap0"
)

// maxQueues is what KubeVirt gives a NIC, and the most that the kernel gives a tap (MAX_TAP_QUEUES in drivers/net/tap.c).
const maxQueues = 256

var (
	nicNameFormat = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)
	nicModels     = []string{"e1000", "e1000e", "igb", "ne2k_pci", "pcnet", "rtl8139", kubevirt.VirtIO}
)

// nics converts the interfaces, each with its network.
func (c *conversion) nics(v *VM) []NIC {
	interfaces, list := c.spec.Domain.Devices.Interfaces, c.path.Child("domain", "devices", "interfaces")
	if c.tooMany(list, len(interfaces)) || c.tooMany(c.path.Child("networks"), len(c.spec.Networks)) {
		return nil
	}
	networks := c.networks()
	if len(interfaces) == 0 && len(c.spec.Networks) == 0 && isOn(c.spec.Domain.Devices.AutoattachPodInterface) {
		interfaces = []kubevirt.Interface{*kubevirt.DefaultMasqueradeNetworkInterface()}
		networks = map[string]network{interfaces[0].Name: {Network: kubevirt.DefaultPodNetwork()}}
	}
	redirect, fastpath := c.redirect(), c.fastpath()
	var nics []NIC
	used := map[string]bool{}
	for i := range interfaces {
		nic, path := &interfaces[i], list.Index(i)
		network, ok := networks[nic.Name]
		switch {
		case !nicNameFormat.MatchString(nic.Name):
			c.fail(field.Invalid(path.Child("name"), nic.Name, "must be 1 to 63 of A-Z, a-z, 0-9, '_' and '-'"))
		case used[nic.Name]:
			c.fail(field.Duplicate(path.Child("name"), nic.Name))
		case !ok:
			c.fail(field.Invalid(path.Child("name"), nic.Name, "no network has this name"))
		default:
			converted := c.nic(v, nic, network, path)
			converted.Datapath.Redirect, converted.Datapath.Fastpath = redirect, fastpath
			nics = append(nics, converted)
		}
		used[nic.Name] = true
	}
	for i, n := range c.spec.Networks {
		if !used[n.Name] {
			c.fail(field.Required(c.path.Child("networks").Index(i).Child("name"), "no interface has this name"))
		}
	}
	return nics
}

// network is a network and where it is.
type network struct {
	*kubevirt.Network
	path *field.Path
}

// networks returns the networks by name.
func (c *conversion) networks() map[string]network {
	named := map[string]network{}
	pods, list := 0, c.path.Child("networks")
	for i := range c.spec.Networks {
		n, path := network{&c.spec.Networks[i], list.Index(i)}, list.Index(i)
		if _, ok := named[n.Name]; ok {
			c.fail(field.Duplicate(path.Child("name"), n.Name))
			continue
		}
		named[n.Name] = n
		if kinds := countSet(n.NetworkSource); kinds == 0 {
			c.fail(field.Required(path, "says what network it is, such as pod: {}"))
		} else if kinds > 1 {
			c.fail(field.Invalid(path, field.OmitValueType{}, "must be one network only"))
		}
		if n.Pod != nil {
			if pods++; pods > 1 {
				c.fail(field.Invalid(path.Child("pod"), field.OmitValueType{}, "there is one pod network only"))
			}
		}
	}
	return named
}

func (c *conversion) nic(v *VM, nic *kubevirt.Interface, network network, path *field.Path) NIC {
	if bindings := countSet(nic.InterfaceBindingMethod); bindings > 1 || bindings == 1 && nic.Binding != nil {
		c.fail(field.Invalid(path, field.OmitValueType{}, "must have one binding only"))
	}
	mac := c.mac(nic, path.Child("macAddress"))
	device := vm.NIC{
		Name:     nic.Name,
		MAC:      mac,
		Model:    c.model(nic, path.Child("model")),
		Queues:   1,
		LinkDown: c.linkDown(nic, path.Child("state")),
	}
	if nic.BootOrder != nil {
		device.BootOrder = int(*nic.BootOrder)
	}
	if multi := c.spec.Domain.Devices.NetworkInterfaceMultiQueue; multi != nil && *multi && device.Model == kubevirt.VirtIO {
		device.Queues = min(v.VM.Sockets*v.VM.Cores*v.VM.Threads, maxQueues)
	}
	converted := NIC{
		Datapath: datapath.Config{
			Name:    nic.Name,
			NIC:     podNIC,
			Tap:     podTap,
			Binding: datapath.Masquerade,
			Ports:   c.ports(nic.Ports, path.Child("ports")),
			CIDR4:   datapath.DefaultCIDR4,
			CIDR6:   datapath.DefaultCIDR6,
			MAC:     mac,
			Queues:  device.Queues,
			Flows:   datapath.DefaultFlows,
		},
		Device: device,
		DHCP:   dhcp.Config4{Common: dhcp.Common{Hostname: v.Hostname}},
	}
	c.dhcpOptions(&converted.DHCP, nic.DHCPOptions, path.Child("dhcpOptions"))
	if pod := network.Pod; pod != nil {
		if pod.VMNetworkCIDR != "" {
			converted.Datapath.CIDR4 = c.cidr(network.path.Child("pod", "vmNetworkCIDR"), pod.VMNetworkCIDR, datapath.DefaultCIDR4)
		}
		if pod.VMIPv6NetworkCIDR != "" {
			converted.Datapath.CIDR6 = c.cidr(network.path.Child("pod", "vmIPv6NetworkCIDR"), pod.VMIPv6NetworkCIDR, datapath.DefaultCIDR6)
		}
	}
	return converted
}

func (c *conversion) model(nic *kubevirt.Interface, path *field.Path) string {
	if nic.Model == "" {
		return kubevirt.VirtIO
	}
	if !slices.Contains(nicModels, nic.Model) {
		c.fail(field.NotSupported(path, nic.Model, nicModels))
	}
	return nic.Model
}

func (c *conversion) mac(nic *kubevirt.Interface, path *field.Path) net.HardwareAddr {
	if nic.MacAddress == "" {
		return deriveMAC(c.machine.VMI.Namespace, c.machine.VMI.Name, nic.Name)
	}
	mac, err := net.ParseMAC(nic.MacAddress)
	switch {
	case err != nil || len(mac) != 6:
		c.fail(field.Invalid(path, nic.MacAddress, "must be six bytes, such as de:ad:00:00:be:af"))
	case mac[0]&1 != 0:
		c.fail(field.Invalid(path, nic.MacAddress, "must be one machine's: this is a multicast address"))
	case bytes.Equal(mac, datapath.GatewayMAC):
		c.fail(field.Invalid(path, nic.MacAddress, "is the gateway's: choose another"))
	case bytes.Equal(mac, make([]byte, 6)):
		c.fail(field.Invalid(path, nic.MacAddress, "is no address"))
	}
	return mac
}

func (c *conversion) linkDown(nic *kubevirt.Interface, path *field.Path) bool {
	switch nic.State {
	case "", kubevirt.InterfaceStateLinkUp:
	case kubevirt.InterfaceStateLinkDown:
		return true
	default: // absent is for taking a NIC out of a machine that runs, and not out of the pod network
		c.fail(field.NotSupported(path, nic.State, []kubevirt.InterfaceState{kubevirt.InterfaceStateLinkUp, kubevirt.InterfaceStateLinkDown}))
	}
	return false
}

// cidr reads the network of gateway and guest, which is of the same family as the usual one.
func (c *conversion) cidr(path *field.Path, text string, usual netip.Prefix) netip.Prefix {
	prefix, err := netip.ParsePrefix(text)
	bits := usual.Addr().BitLen()
	switch {
	case err != nil || prefix.Addr().BitLen() != bits || prefix.Addr().Is4In6():
		c.fail(field.Invalid(path, text, "must be a network such as "+usual.String()))
		return usual
	case prefix.Bits() > bits-2:
		c.fail(field.Invalid(path, text, "must leave two bits for gateway and guest"))
	case !prefix.Masked().Addr().Next().Next().IsGlobalUnicast():
		c.fail(field.Invalid(path, text, "must be a network of unicast addresses that are not link-local"))
	}
	return prefix.Masked()
}
