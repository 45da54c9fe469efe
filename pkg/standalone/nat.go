// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// table holds all that is translated on the host. As nft shows it:
//
//	table inet tapir {
//		set pods4 { type ipv4_addr; elements = { 10.201.7.9 } }
//		set pods6 { type ipv6_addr; elements = { fd54:6170:6972::709 } }
//		chain postrouting {
//			type nat hook postrouting priority srcnat; policy accept;
//			meta nfproto ipv4 ip saddr @pods4 ip daddr != @pods4 masquerade
//			meta nfproto ipv6 ip6 saddr @pods6 ip6 daddr != @pods6 masquerade
//		}
//	}
var table = &nftables.Table{Name: "tapir", Family: nftables.TableFamilyINet}

// translate replaces the table by one for these pods, in one transaction; without pods, it deletes it.
// Connections keep their translation: the kernel remembers it for each of them.
func translate(pods []*Pod) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	conn.AddTable(table) // so that deleting it succeeds
	conn.DelTable(table)
	if len(pods) > 0 {
		conn.AddTable(table)
		chain := conn.AddChain(&nftables.Chain{
			Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT,
			Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
		})
		var all4, all6 []netip.Addr
		for _, p := range pods {
			all4 = append(all4, p.Address4)
			if p.Address6.IsValid() {
				all6 = append(all6, p.Address6)
			}
		}
		pods4 := &nftables.Set{Table: table, Name: "pods4", ID: 1, KeyType: nftables.TypeIPAddr}
		pods6 := &nftables.Set{Table: table, Name: "pods6", ID: 2, KeyType: nftables.TypeIP6Addr}
		err := errors.Join(
			addRule(conn, chain, pods4, unix.NFPROTO_IPV4, 12, 16, all4),
			addRule(conn, chain, pods6, unix.NFPROTO_IPV6, 8, 24, all6))
		if err != nil {
			return fmt.Errorf("write nftables table tapir: %w", err)
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("replace nftables table tapir: %w", err)
	}
	return nil
}

// addRule translates what pods of one family send to anything but pods. The offsets are those of source and
// destination in the family's header (RFC 791, RFC 8200). The set brings its ID, which need be unique only in
// this transaction, because the library would draw one from a counter without a lock.
func addRule(
	conn *nftables.Conn, chain *nftables.Chain, set *nftables.Set,
	family byte, source, destination uint32, pods []netip.Addr,
) error {
	var elements []nftables.SetElement
	for _, address := range pods {
		elements = append(elements, nftables.SetElement{Key: address.AsSlice()})
	}
	if err := conn.AddSet(set, elements); err != nil {
		return err
	}
	load := func(offset uint32) expr.Any {
		return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: set.KeyType.Bytes}
	}
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
		load(source), &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
		load(destination), &expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID, Invert: true},
		&expr.Masq{},
	}})
	return nil
}

// translating says whether the table is there: reloading a firewall may have flushed it.
func translating() (bool, error) {
	conn, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("open nftables: %w", err)
	}
	_, err = conn.ListTableOfFamily(table.Name, table.Family)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
