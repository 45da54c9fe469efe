// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// types4 names the types of DHCPv4 messages.
var types4 = map[dhcpv4.MessageType]string{
	dhcpv4.MessageTypeDiscover: "discover",
	dhcpv4.MessageTypeOffer:    "offer",
	dhcpv4.MessageTypeRequest:  "request",
	dhcpv4.MessageTypeDecline:  "decline",
	dhcpv4.MessageTypeAck:      "ack",
	dhcpv4.MessageTypeNak:      "nak",
	dhcpv4.MessageTypeRelease:  "release",
	dhcpv4.MessageTypeInform:   "inform",
}

// respond reads a client's message and makes the reply to it, nil where none is due. An error, errMalformed or
// errIgnored, says why the message must not be answered.
func (l *lease4) respond(message []byte) (m, reply *dhcpv4.DHCPv4, err error) {
	if m, err = decode4(message); err != nil {
		return nil, nil, err
	}
	reply, err = l.reply(m)
	return m, reply, err
}

// decode4 reads a client's message and checks what holds for all types of them.
func decode4(message []byte) (*dhcpv4.DHCPv4, error) {
	if err := checkLength(message); err != nil {
		return nil, err
	}
	m, err := dhcpv4.FromBytes(message)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	case m.OpCode != dhcpv4.OpcodeBootRequest:
		return nil, fmt.Errorf("%w: op %d is not a request", errIgnored, m.OpCode)
	case m.HWType != iana.HWTypeEthernet || len(m.ClientHWAddr) != 6:
		return nil, fmt.Errorf("%w: the client's address is not an Ethernet one", errMalformed)
	case !m.GatewayIPAddr.IsUnspecified():
		return nil, fmt.Errorf("%w: it was relayed by %s", errIgnored, m.GatewayIPAddr)
	case !m.Options.Has(dhcpv4.OptionDHCPMessageType):
		return nil, fmt.Errorf("%w: it is plain BOOTP", errIgnored)
	case types4[m.MessageType()] == "":
		return nil, fmt.Errorf("%w: unknown type", errMalformed)
	}
	return m, nil
}

// reply is what RFC 2131 section 4.3 answers to m.
func (l *lease4) reply(m *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) {
	if l.client != nil && !bytes.Equal(l.client, m.ClientHWAddr) {
		return nil, fmt.Errorf("%w: %s is not the guest's MAC", errIgnored, m.ClientHWAddr)
	}
	server, err := addressOption(m, dhcpv4.OptionServerIdentifier)
	if err != nil {
		return nil, err
	}
	if server.IsValid() && server != l.server {
		return nil, fmt.Errorf("%w: it names server %s", errIgnored, server)
	}
	requested, err := addressOption(m, dhcpv4.OptionRequestedIPAddress)
	if err != nil {
		return nil, err
	}
	current := clientAddress(m)

	switch m.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return l.grant(m, dhcpv4.MessageTypeOffer), nil
	case dhcpv4.MessageTypeRequest:
		// Selecting and rebooting clients name the address in option 50, renewing and rebinding ones in ciaddr.
		switch {
		case !requested.IsValid() && !current.IsValid():
			return nil, fmt.Errorf("%w: it requests no address", errMalformed)
		case requested.IsValid() && requested != l.address, current.IsValid() && current != l.address:
			return l.refuse(m), nil
		}
		return l.grant(m, dhcpv4.MessageTypeAck), nil
	case dhcpv4.MessageTypeInform:
		if !current.IsValid() {
			return nil, fmt.Errorf("%w: an inform without the client's address", errMalformed)
		}
		ack := l.grant(m, dhcpv4.MessageTypeAck)
		ack.YourIPAddr = net.IPv4zero
		ack.DeleteOption(dhcpv4.OptionIPAddressLeaseTime)
		return ack, nil
	case dhcpv4.MessageTypeRelease, dhcpv4.MessageTypeDecline:
		return nil, nil
	}
	return nil, fmt.Errorf("%w: no client sends a %v", errMalformed, m.MessageType())
}

// clientAddress is a message's ciaddr, invalid where it is zero.
func clientAddress(m *dhcpv4.DHCPv4) netip.Addr {
	address, _ := netip.AddrFromSlice(m.ClientIPAddr)
	if address.IsUnspecified() {
		return netip.Addr{}
	}
	return address
}

// addressOption is the address in an option, invalid where the option is missing.
func addressOption(m *dhcpv4.DHCPv4, code dhcpv4.OptionCode) (netip.Addr, error) {
	if !m.Options.Has(code) {
		return netip.Addr{}, nil
	}
	value := m.GetOneOption(code)
	if len(value) != net.IPv4len {
		return netip.Addr{}, fmt.Errorf("%w: option %d has %d bytes, not %d", errMalformed, code.Code(), len(value), net.IPv4len)
	}
	address, _ := netip.AddrFromSlice(value)
	return address, nil
}
