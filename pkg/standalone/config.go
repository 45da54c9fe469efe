// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"fmt"
	"net/netip"
	"regexp"
)

// Pools that pods get their addresses from when none are given. The IPv6 one is a unique local prefix
// (RFC 4193) whose global ID spells Tapir.
var (
	DefaultPool4 = netip.MustParsePrefix("10.201.0.0/16")
	DefaultPool6 = netip.MustParsePrefix("fd54:6170:6972::/64")
)

// Config names a pod and says where its addresses come from.
type Config struct {
	Namespace string       // a DNS label (RFC 1123), as in Kubernetes
	Name      string       // a DNS subdomain (RFC 1123)
	Pool4     netip.Prefix // zero: DefaultPool4
	Pool6     netip.Prefix // zero: DefaultPool6
}

const label = `[a-z0-9]([-a-z0-9]*[a-z0-9])?`

var (
	namespaceFormat = regexp.MustCompile(`^` + label + `$`)
	nameFormat      = regexp.MustCompile(`^` + label + `(\.` + label + `)*$`)
)

// complete fills in the defaults and refuses what can't be used.
func (c Config) complete() (Config, error) {
	if len(c.Namespace) > 63 || !namespaceFormat.MatchString(c.Namespace) {
		return c, fmt.Errorf("namespace %q is no DNS label: want at most 63 of a-z, 0-9 and '-'", c.Namespace)
	}
	if len(c.Name) > 253 || !nameFormat.MatchString(c.Name) {
		return c, fmt.Errorf("name %q is no DNS name: want at most 253 of a-z, 0-9, '-' and '.'", c.Name)
	}
	if !c.Pool4.IsValid() {
		c.Pool4 = DefaultPool4
	}
	if !c.Pool6.IsValid() {
		c.Pool6 = DefaultPool6
	}
	for _, p := range []struct {
		pool    netip.Prefix
		is      bool
		family  string
		longest int
	}{
		{c.Pool4, c.Pool4.Addr().Is4(), "IPv4", 29},
		{c.Pool6, c.Pool6.Addr().Is6() && !c.Pool6.Addr().Is4In6(), "IPv6", 125},
	} {
		switch {
		case !p.is:
			return c, fmt.Errorf("pod pool %s is no %s prefix", p.pool, p.family)
		case p.pool != p.pool.Masked():
			return c, fmt.Errorf("pod pool %s has bits set after its length: write %s", p.pool, p.pool.Masked())
		case p.pool.Bits() < 8 || p.pool.Bits() > p.longest:
			return c, fmt.Errorf("pod pool %s: the length of an %s pool is /8 to /%d", p.pool, p.family, p.longest)
		case !p.pool.Addr().IsGlobalUnicast():
			return c, fmt.Errorf("pod pool %s is not of unicast addresses", p.pool)
		}
	}
	return c, nil
}
