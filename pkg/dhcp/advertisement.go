// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/ndp"
)

const (
	// ndHopLimit proves that a message was not forwarded (RFC 4861 section 6.1).
	ndHopLimit = 255
	minMTU6    = 1280
	// minRouterLifetime leaves room for three advertisements at the smallest interval of RFC 4861 section 6.2.1.
	minRouterLifetime = 3 * 4 * time.Second
	// maxAdvertisement keeps an advertisement whole on any link: hosts drop a fragmented one (RFC 6980).
	maxAdvertisement = minMTU6 - 40
	// maxSearchOption is how many bytes of names one DNSSL option takes here: 8 more make the most that the codec writes.
	maxSearchOption = 240
)

var allNodes = netip.MustParseAddr("ff02::1")

func (c *ConfigRA) check() error {
	if err := c.Common.check(); err != nil {
		return err
	}
	if err := c.checkServerMAC(); err != nil {
		return err
	}
	if c.MTU != 0 && c.MTU < minMTU6 {
		return fmt.Errorf("mtu %d: IPv6 needs at least %d, so raise it or leave IPv6 out", c.MTU, minMTU6)
	}
	if !c.Prefix.IsValid() || !c.Prefix.Addr().Is6() || c.Prefix.Addr().Is4In6() {
		return fmt.Errorf("prefix %q: give the guest's IPv6 network", c.Prefix)
	}
	if c.RouterLifetime != 0 && (c.RouterLifetime < minRouterLifetime || c.RouterLifetime > RouterLifetime) {
		return fmt.Errorf("router lifetime %v: give %v to %v, or 0 for the longest", c.RouterLifetime, minRouterLifetime, RouterLifetime)
	}
	return nil
}

func (c *ConfigRA) lifetime() time.Duration {
	if c.RouterLifetime == 0 {
		return RouterLifetime
	}
	return c.RouterLifetime
}

// advertisement is the ICMPv6 message, its checksum left to the kernel.
func (c *ConfigRA) advertisement() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	ra := &ndp.RouterAdvertisement{
		CurrentHopLimit:      64,
		ManagedConfiguration: true,
		OtherConfiguration:   true,
		RouterLifetime:       c.lifetime(),
		Options: []ndp.Option{
			&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: c.ServerMAC},
			&ndp.PrefixInformation{
				PrefixLength:      uint8(c.Prefix.Bits()),
				OnLink:            true,
				ValidLifetime:     c.lease(),
				PreferredLifetime: c.lease(),
				Prefix:            c.Prefix.Masked().Addr(),
			},
		},
	}
	if c.MTU > 0 {
		ra.Options = append(ra.Options, ndp.NewMTU(uint32(c.MTU)))
	}
	if dns := family(c.DNS, netip.Addr.Is6); len(dns) > 0 {
		ra.Options = append(ra.Options, &ndp.RecursiveDNSServer{Lifetime: c.lifetime(), Servers: dns})
	}
	for _, names := range chunks(c.Search) {
		ra.Options = append(ra.Options, &ndp.DNSSearchList{Lifetime: c.lifetime(), DomainNames: names})
	}
	message, err := ndp.MarshalMessage(ra)
	if err != nil {
		return nil, fmt.Errorf("encoding the advertisement: %w: give fewer DNS servers", err)
	}
	if len(message) > maxAdvertisement {
		return nil, fmt.Errorf("advertisement of %d bytes: hosts take at most %d, so give fewer DNS servers or search domains",
			len(message), maxAdvertisement)
	}
	return message, nil
}

// chunks splits names into lists that fit one DNSSL option each.
func chunks(names []string) [][]string {
	var lists [][]string
	room := 0
	for _, name := range names {
		name = plainName(name)
		length := len(name) + 2 // the first label's length and the final zero
		if length > room {
			lists = append(lists, nil)
			room = maxSearchOption
		}
		last := len(lists) - 1
		lists[last] = append(lists[last], name)
		room -= length
	}
	return lists
}

// checkSolicitation holds a message against RFC 4861 section 6.1.1. The kernel has checked its checksum.
func checkSolicitation(message []byte, from netip.Addr, hopLimit int) error {
	if err := checkLength(message); err != nil {
		return err
	}
	if hopLimit != ndHopLimit {
		return fmt.Errorf("%w: hop limit %d, so a router forwarded it", errMalformed, hopLimit)
	}
	m, err := ndp.ParseMessage(message)
	if err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	rs, ok := m.(*ndp.RouterSolicitation)
	switch {
	case !ok:
		return fmt.Errorf("%w: type %d is not a solicitation", errIgnored, message[0])
	case message[1] != 0:
		return fmt.Errorf("%w: code %d", errMalformed, message[1])
	case !from.IsUnspecified():
		return nil
	}
	for _, option := range rs.Options {
		if lla, ok := option.(*ndp.LinkLayerAddress); ok && lla.Direction == ndp.Source {
			return fmt.Errorf("%w: a link-layer address without an IP address", errMalformed)
		}
	}
	return nil
}

// linkLocal is the address that a device makes of its MAC (RFC 4291 appendix A).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80,
		8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}
