// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// A DHCPv4 message travels behind an IP and a UDP header, and no client is asked to take more than 576 bytes
// of all three (RFC 2131 section 2) unless it says so.
const (
	headers4     = 20 + 8
	minDatagram4 = 576
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

// lease4 answers DHCPv4 messages out of one lease. It never changes.
type lease4 struct {
	client          net.HardwareAddr // nil: any
	address, server netip.Addr
	options         dhcpv4.Options // of OFFER and ACK
	expendable      []uint8        // those that a guest does without, the first to go first
	maxDatagram     int            // that the link carries
}

func newLease4(c *Config4) (*lease4, error) {
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	l := &lease4{
		client:      c.ClientMAC,
		address:     c.Address.Addr(),
		server:      c.Server,
		options:     options,
		maxDatagram: maxMessage,
	}
	if c.MTU > 0 {
		l.maxDatagram = c.MTU
	}
	l.expendable = slices.Sorted(maps.Keys(c.Private))
	for _, code := range []dhcpv4.OptionCode{
		dhcpv4.OptionNTPServers, dhcpv4.OptionDNSDomainSearchList, dhcpv4.OptionHostName,
		dhcpv4.OptionDomainName, dhcpv4.OptionTFTPServerName, dhcpv4.OptionBootfileName,
	} {
		l.expendable = append(l.expendable, code.Code())
	}
	return l, nil
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

// grant makes an OFFER or ACK of the lease that fits what m's client takes.
func (l *lease4) grant(m *dhcpv4.DHCPv4, t dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	r := answer(m, t)
	r.YourIPAddr = l.address.AsSlice()
	if t == dhcpv4.MessageTypeAck {
		r.ClientIPAddr = m.ClientIPAddr
	}
	maps.Copy(r.Options, l.options)

	room := minDatagram4
	if accepted, err := m.MaxMessageSize(); err == nil {
		room = max(room, int(accepted))
	}
	room = min(room, l.maxDatagram) - headers4
	for _, code := range l.expendable {
		if len(r.ToBytes()) <= room {
			break
		}
		delete(r.Options, code)
	}
	return r
}

// refuse makes a NAK, on which a client starts anew.
func (l *lease4) refuse(m *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	r := answer(m, dhcpv4.MessageTypeNak)
	r.UpdateOption(dhcpv4.OptServerIdentifier(l.server.AsSlice()))
	r.UpdateOption(dhcpv4.OptMessage("address is not this client's"))
	return r
}

// answer makes a reply to m with what all replies repeat: table 3 of RFC 2131, and RFC 6842's client identifier.
func answer(m *dhcpv4.DHCPv4, t dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	r := &dhcpv4.DHCPv4{
		OpCode:        dhcpv4.OpcodeBootReply,
		HWType:        m.HWType,
		TransactionID: m.TransactionID,
		Flags:         m.Flags,
		ClientHWAddr:  m.ClientHWAddr,
		Options:       dhcpv4.OptionsFromList(dhcpv4.OptMessageType(t)),
	}
	if id := m.GetOneOption(dhcpv4.OptionClientIdentifier); id != nil {
		r.UpdateOption(dhcpv4.OptClientIdentifier(id))
	}
	return r
}

// destination4 is where a reply goes. A client that said its address (ciaddr) listens there if it is the
// guest's; all others are reached by broadcast, as a socket can't send to an address that nobody has yet.
func (l *lease4) destination4(r *dhcpv4.DHCPv4) netip.AddrPort {
	to := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	if clientAddress(r) == l.address {
		to = l.address
	}
	return netip.AddrPortFrom(to, dhcpv4.ClientPort)
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
