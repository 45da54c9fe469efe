// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/google/nftables"
)

// baseChains lists the host's chains at a hook that a condition selects, ours aside, as
// "family table chain". Rules that the legacy iptables tools made are invisible to nftables.
func baseChains(selects func(*nftables.Chain) bool) ([]string, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return nil, fmt.Errorf("list the chains of nftables: %w", err)
	}
	families := map[nftables.TableFamily]string{
		nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6",
	}
	var found []string
	for _, c := range chains {
		family := families[c.Table.Family]
		if family == "" || c.Hooknum == nil || c.Table.Name == table.Name || !selects(c) {
			continue
		}
		found = append(found, family+" "+c.Table.Name+" "+c.Name)
	}
	slices.Sort(found)
	return found, nil
}

// forwarders lists the chains that a program sets up when it relies on the host's forwarding.
func forwarders() ([]string, error) {
	return baseChains(func(c *nftables.Chain) bool {
		return *c.Hooknum == *nftables.ChainHookForward ||
			*c.Hooknum == *nftables.ChainHookPostrouting && c.Type == nftables.ChainTypeNAT
	})
}

// warnOfFirewall tells of chains that drop what no rule allows. Whether a rule does can't be said from here, and
// an accept in our own table would not overrule them.
func warnOfFirewall(log *slog.Logger) {
	for _, hook := range []struct {
		number *nftables.ChainHook
		effect string
	}{
		{nftables.ChainHookForward, "guests may reach nothing but this host"},
		{nftables.ChainHookInput, "guests may not reach this host and its name server"},
	} {
		dropping, err := baseChains(func(c *nftables.Chain) bool {
			return *c.Hooknum == *hook.number && c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
		})
		if err != nil {
			log.Warn("the host's firewall can't be read", "error", err)
			return
		}
		for _, chain := range dropping {
			log.Warn(hook.effect+": a firewall chain drops what it doesn't allow; let it allow the pods "+
				"(docs/standalone.md, Firewalls)", "chain", chain)
		}
	}
}
