// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// maxOptions6 leaves the smallest IPv6 packet enough room for the rest of a reply.
const maxOptions6 = 1000

// lease6 answers DHCPv6 messages out of one lease. It never changes.
type lease6 struct {
	address net.IP
	life    time.Duration // preferred and valid
	server  dhcpv6.DUID
	options []dhcpv6.Option // what goes with the address: DNS, search domains, NTP
}

func newLease6(c *Config6) (*lease6, error) {
	if err := c.Common.check(); err != nil {
		return nil, err
	}
	if err := c.checkServerMAC(); err != nil {
		return nil, err
	}
	if !c.Address.Is6() || c.Address.Is4In6() || !c.Address.IsGlobalUnicast() || c.Address.Zone() != "" {
		return nil, fmt.Errorf("address %q: give the guest's global or unique local IPv6 address", c.Address)
	}
	l := &lease6{
		address: c.Address.AsSlice(),
		life:    c.lease(),
		server:  &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: slices.Clone(c.ServerMAC)},
	}
	if dns := ips(c.DNS, netip.Addr.Is6); len(dns) > 0 {
		l.options = append(l.options, dhcpv6.OptDNS(dns...))
	}
	if len(c.Search) > 0 {
		l.options = append(l.options, dhcpv6.OptDomainSearchList(labels(c.Search)))
	}
	// RFC 5908 section 4: an option for each server.
	for _, address := range ips(c.NTP, netip.Addr.Is6) {
		server := dhcpv6.NTPSuboptionSrvAddr(address)
		l.options = append(l.options, &dhcpv6.OptNTPServer{Suboptions: dhcpv6.Options{&server}})
	}
	if n := len(dhcpv6.Options(l.options).ToBytes()); n > maxOptions6 {
		return nil, fmt.Errorf("dns servers, search domains and ntp servers of %d bytes: at most %d fit a reply, so give fewer", n, maxOptions6)
	}
	return l, nil
}

// assign answers a client's IA_NA with the lease.
func (l *lease6) assign(ia *dhcpv6.OptIANA) *dhcpv6.OptIANA {
	a := &dhcpv6.OptIANA{IaId: ia.IaId, T1: l.life / 2, T2: l.life * 4 / 5} // RFC 8415 section 21.4's fractions
	a.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: l.address, PreferredLifetime: l.life, ValidLifetime: l.life})
	return a
}

// retire ends, by lifetimes of zero in the answer a, the other addresses that a client holds in ia.
func (l *lease6) retire(a, ia *dhcpv6.OptIANA) {
	for _, held := range ia.Options.Addresses() {
		if !held.IPv6Addr.Equal(l.address) {
			a.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: held.IPv6Addr})
		}
	}
}

// names says whether an IA_NA names the lease's address, and whether it names any other.
func (l *lease6) names(ia *dhcpv6.OptIANA) (ours, others bool) {
	for _, a := range ia.Options.Addresses() {
		if a.IPv6Addr.Equal(l.address) {
			ours = true
		} else {
			others = true
		}
	}
	return ours, others
}

// withStatus answers an IA_NA with a status only.
func withStatus(ia *dhcpv6.OptIANA, code iana.StatusCode) *dhcpv6.OptIANA {
	a := &dhcpv6.OptIANA{IaId: ia.IaId}
	a.Options.Add(status(code))
	return a
}

func status(code iana.StatusCode) *dhcpv6.OptStatusCode {
	return &dhcpv6.OptStatusCode{StatusCode: code}
}
