// SPDX-License-Identifier: Apache-2.0

package nameserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// hosts resolves by files alone: the standard library reads /etc/hosts, by the rules of nsswitch.conf,
// and finds no way to ask anybody else.
var hosts = net.Resolver{
	PreferGo: true,
	Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("/etc/hosts only")
	},
}

// fromHosts answers a question by /etc/hosts. A name that is there has no other addresses, so that the
// records may be none.
func (s *Server) fromHosts(ctx context.Context, q dnsmessage.Question) (records []dnsmessage.Resource, found bool) {
	if q.Class != dnsmessage.ClassINET {
		return nil, false
	}
	header := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: ttl}
	switch q.Type {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA:
		// With the dot that ends it, a name of one label would not be found.
		addresses, err := hosts.LookupNetIP(ctx, "ip", strings.TrimSuffix(q.Name.String(), "."))
		if err != nil {
			return nil, false
		}
		for _, address := range addresses {
			address = s.seenFromPod(q.Name.String(), address.Unmap().WithZone(""))
			switch {
			case address.Is4() && q.Type == dnsmessage.TypeA:
				body := &dnsmessage.AResource{A: address.As4()}
				records = append(records, dnsmessage.Resource{Header: header, Body: body})
			case address.Is6() && q.Type == dnsmessage.TypeAAAA:
				body := &dnsmessage.AAAAResource{AAAA: address.As16()}
				records = append(records, dnsmessage.Resource{Header: header, Body: body})
			}
		}
		return records, len(addresses) > 0
	case dnsmessage.TypePTR:
		address, ok := reversed(q.Name.String())
		if !ok {
			return nil, false
		}
		names, err := hosts.LookupAddr(ctx, address.String())
		if err != nil {
			return nil, false
		}
		for _, name := range names {
			if target, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + "."); err == nil {
				body := &dnsmessage.PTRResource{PTR: target}
				records = append(records, dnsmessage.Resource{Header: header, Body: body})
			}
		}
		return records, len(records) > 0
	}
	return nil, false
}

// seenFromPod is the gateway in place of a loopback address, which stands for the host. Only localhost
// is everybody's own (RFC 6761 section 6.3).
func (s *Server) seenFromPod(name string, address netip.Addr) netip.Addr {
	name = strings.ToLower(name)
	if !address.IsLoopback() || name == "localhost." || strings.HasSuffix(name, ".localhost.") {
		return address
	}
	for _, own := range s.addresses {
		if own.Is4() == address.Is4() {
			return own
		}
	}
	return address
}

// reversed is the address that a name under in-addr.arpa (RFC 1035 section 3.5) or ip6.arpa (RFC 3596 section
// 2.5) stands for.
func reversed(name string) (netip.Addr, bool) {
	name = strings.ToLower(name)
	if labels, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		address, err := netip.ParseAddr(join(labels, 1, "."))
		return address, err == nil && address.Is4()
	}
	if labels, ok := strings.CutSuffix(name, ".ip6.arpa."); ok && len(labels) == 63 {
		address, err := netip.ParseAddr(join(labels, 4, ":"))
		return address, err == nil && address.Is6()
	}
	return netip.Addr{}, false
}

// join turns labels around, and puts a separator after each group of them.
func join(labels string, group int, separator string) string {
	var b strings.Builder
	all := strings.Split(labels, ".")
	for i := range all {
		if i > 0 && i%group == 0 {
			b.WriteString(separator)
		}
		b.WriteString(all[len(all)-1-i])
	}
	return b.String()
}
