// SPDX-License-Identifier: Apache-2.0

package dhcp

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// minMTU4 is the smallest that option 26 can tell (RFC 2132 section 5.1).
const minMTU4 = 68

// The options that an operator may set as he likes (dhcpOptions.privateOptions of KubeVirt's interfaces).
const firstPrivate, lastPrivate = 224, 254

func (c *Config4) check() error {
	if err := c.Common.check(); err != nil {
		return err
	}
	if c.MTU != 0 && c.MTU < minMTU4 {
		return fmt.Errorf("mtu %d: IPv4 needs at least %d", c.MTU, minMTU4)
	}
	if !c.Address.IsValid() || !c.Address.Addr().Is4() || c.Address.Addr().IsUnspecified() {
		return fmt.Errorf("address %q: give the guest's IPv4 address with its prefix length", c.Address)
	}
	if !c.Server.Is4() || c.Server.IsUnspecified() {
		return fmt.Errorf("server identifier %q: give the IPv4 address that the guest knows this server by", c.Server)
	}
	if c.Router.IsValid() && !c.Router.Is4() {
		return fmt.Errorf("router %q: give an IPv4 address", c.Router)
	}
	for _, r := range c.Routes {
		if !r.Destination.IsValid() || !r.Destination.Addr().Is4() || r.Gateway.IsValid() && !r.Gateway.Is4() {
			return fmt.Errorf("route to %q via %q: give an IPv4 prefix, and an IPv4 address or none", r.Destination, r.Gateway)
		}
	}
	for code := range c.Private {
		if code < firstPrivate || code > lastPrivate {
			return fmt.Errorf("private option %d: use %d to %d", code, firstPrivate, lastPrivate)
		}
	}
	return nil
}

// options are those of an OFFER or ACK, less its message type. All are sent whatever a client asks for, as
// KubeVirt does: some clients use what they never asked for.
func (c *Config4) options() (dhcpv4.Options, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	options := dhcpv4.OptionsFromList(
		dhcpv4.OptServerIdentifier(c.Server.AsSlice()),
		dhcpv4.OptIPAddressLeaseTime(c.lease()),
		dhcpv4.OptSubnetMask(net.CIDRMask(c.Address.Bits(), 32)),
	)
	if c.Router.IsValid() {
		options.Update(dhcpv4.OptRouter(c.Router.AsSlice()))
	}
	if routes := c.routes(); len(routes) > 0 {
		options.Update(dhcpv4.OptClasslessStaticRoute(routes...))
	}
	if dns := ips(c.DNS, netip.Addr.Is4); len(dns) > 0 {
		options.Update(dhcpv4.OptDNS(dns...))
	}
	if ntp := ips(c.NTP, netip.Addr.Is4); len(ntp) > 0 {
		options.Update(dhcpv4.OptNTPServers(ntp...))
	}
	if c.MTU > 0 {
		options.Update(dhcpv4.Option{Code: dhcpv4.OptionInterfaceMTU, Value: dhcpv4.Uint16(c.MTU)})
	}
	if len(c.Search) > 0 {
		options.Update(dhcpv4.OptDomainSearch(labels(c.Search)))
	}
	for code, text := range map[dhcpv4.OptionCode]string{
		dhcpv4.OptionHostName:       c.Hostname,
		dhcpv4.OptionDomainName:     c.domain(),
		dhcpv4.OptionTFTPServerName: c.TFTPServerName,
		dhcpv4.OptionBootfileName:   c.BootFileName,
	} {
		if text != "" {
			options.Update(dhcpv4.OptGeneric(code, []byte(text)))
		}
	}
	for code, text := range c.Private {
		options.Update(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(code), []byte(text)))
	}
	return options, checkLengths(options)
}

// routes are those of option 121, the default route last.
func (c *Config4) routes() []*dhcpv4.Route {
	isDefault := func(r Route) bool { return r.Destination.Bits() == 0 }
	routes := slices.Clone(c.Routes)
	if len(routes) > 0 && c.Router.IsValid() && !slices.ContainsFunc(routes, isDefault) {
		routes = append(routes, Route{netip.PrefixFrom(netip.IPv4Unspecified(), 0), c.Router})
	}
	slices.SortStableFunc(routes, func(a, b Route) int {
		return min(b.Destination.Bits(), 1) - min(a.Destination.Bits(), 1)
	})
	var encoded []*dhcpv4.Route
	for _, r := range routes {
		gateway := net.IPv4zero
		if r.Gateway.IsValid() {
			gateway = r.Gateway.AsSlice()
		}
		encoded = append(encoded, &dhcpv4.Route{
			Dest: &net.IPNet{
				IP:   r.Destination.Masked().Addr().AsSlice(),
				Mask: net.CIDRMask(r.Destination.Bits(), 32),
			},
			Router: gateway,
		})
	}
	return encoded
}

// tooLong names what an option holds, for those that grow with what the user gives.
var tooLong = map[uint8]string{
	dhcpv4.OptionDomainNameServer.Code():     "DNS servers",
	dhcpv4.OptionNTPServers.Code():           "NTP servers",
	dhcpv4.OptionTFTPServerName.Code():       "TFTP server name",
	dhcpv4.OptionBootfileName.Code():         "boot file name",
	dhcpv4.OptionDNSDomainSearchList.Code():  "search domains",
	dhcpv4.OptionClasslessStaticRoute.Code(): "routes",
}

// checkLengths refuses what doesn't fit one option: the way around, RFC 3396, is not for old clients.
func checkLengths(options dhcpv4.Options) error {
	for _, code := range slices.Sorted(maps.Keys(options)) {
		if n := len(options[code]); n > math.MaxUint8 {
			return fmt.Errorf("%s: %d bytes in option %d, which takes at most %d: give fewer or shorter ones",
				cmp.Or(tooLong[code], "private option"), n, code, math.MaxUint8)
		}
	}
	return nil
}
