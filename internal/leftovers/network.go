// SPDX-License-Identifier: Apache-2.0

package leftovers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

const netnsDir = "/run/netns"

// addNamespaces describes this namespace, as "host", and every named one.
func (s Snapshot) addNamespaces() error {
	err := s.addNamespace("host")
	names, listErr := os.ReadDir(netnsDir)
	if listErr != nil && !errors.Is(listErr, fs.ErrNotExist) {
		err = errors.Join(err, listErr)
	}
	for _, name := range names {
		s.add("network namespace %s", name.Name())
		handle, openErr := ns.GetNS(filepath.Join(netnsDir, name.Name()))
		if openErr != nil {
			continue // an empty file, or deleted since
		}
		err = errors.Join(err, handle.Do(func(ns.NetNS) error { return s.addNamespace(name.Name()) }), handle.Close())
	}
	return err
}

// addNamespace describes the calling thread's namespace.
func (s Snapshot) addNamespace(name string) error {
	links, err := netlinksafe.LinkList()
	if err != nil {
		return fmt.Errorf("list the links of %s: %w", name, err)
	}
	for _, l := range links {
		s.add("link %s in %s", l.Attrs().Name, name)
		s.addPrograms(name, l)
	}
	return s.addRules(name)
}

// addPrograms describes what handles the packets of a link. A link that goes meanwhile has none.
func (s Snapshot) addPrograms(name string, l netlink.Link) {
	where := l.Attrs().Name + " in " + name
	if xdp := l.Attrs().Xdp; xdp != nil && xdp.Attached {
		s.add("XDP program %d on %s", xdp.ProgId, where)
	}
	qdiscs, _ := netlinksafe.QdiscList(l)
	for _, qdisc := range qdiscs {
		if qdisc.Type() == "clsact" || qdisc.Type() == "ingress" {
			s.add("qdisc %s on %s", qdisc.Type(), where)
		}
	}
	for _, hook := range []struct {
		name   string
		parent uint32
		attach ebpf.AttachType
	}{
		{"ingress", netlink.HANDLE_MIN_INGRESS, ebpf.AttachTCXIngress},
		{"egress", netlink.HANDLE_MIN_EGRESS, ebpf.AttachTCXEgress},
	} {
		filters, _ := netlinksafe.FilterList(l, hook.parent)
		for _, filter := range filters {
			s.add("filter %s of handle %#x at %s of %s", filter.Type(), filter.Attrs().Handle, hook.name, where)
		}
		found, err := link.QueryPrograms(link.QueryOptions{Target: l.Attrs().Index, Attach: hook.attach})
		if err != nil {
			continue // kernels before 6.6 have no TCX
		}
		for _, program := range found.Programs {
			s.add("TCX program %d at %s of %s", program.ID, hook.name, where)
		}
	}
}

// addRules describes the nftables of the calling thread's namespace.
func (s Snapshot) addRules(name string) error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables in %s: %w", name, err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return fmt.Errorf("list the nftables of %s: %w", name, err)
	}
	for _, chain := range chains {
		rules, err := conn.GetRules(chain.Table, chain)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			return fmt.Errorf("list the rules of nftables chain %s in %s: %w", chain.Name, name, err)
		}
		s.add("nftables chain %s of table %s with %d rules in %s", chain.Name, chain.Table.Name, len(rules), name)
	}
	return nil
}
