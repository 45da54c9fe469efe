// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// A DHCPv4 message travels behind an IP and a UDP header, and no client is asked to take more than 576 bytes
// of all three (RFC 2131 section 2) unless it says so.
const (
	headers4     = 20 + 8
	minDatagram4 = 576
)

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
