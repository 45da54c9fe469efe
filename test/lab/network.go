// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const bridge = "br0"

// makeSwitch makes the bridge that nodes hang on, with the API server's addresses. It runs on the lab's thread.
func (l *Lab) makeSwitch() error {
	// Bridged frames are none of nftables' business. Where there is no br_netfilter, they aren't anyway.
	for _, family := range []string{"iptables", "ip6tables"} {
		err := set("bridge/bridge-nf-call-"+family, "0")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge}}); err != nil {
		return fmt.Errorf("make the lab's switch: %w", err)
	}
	if err := configure(bridge, l.plan, l.plan.controlPlane()); err != nil {
		return err
	}
	for i := 1; i <= l.config.Nodes; i++ {
		if err := route(bridge, l.plan.nodePods(i), l.plan.node(i)); err != nil {
			return err
		}
	}
	return nil
}

// plug connects a node, in its own network namespace, to the switch.
func (l *Lab) plug(n *Node) error {
	err := l.thread.do(func() error {
		veth := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: n.name}, PeerName: "eth0", PeerNamespace: netlink.NsPid(n.process.cmd.Process.Pid),
		}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("make the cable of %s: %w", n.name, err)
		}
		port, err := netlink.LinkByName(n.name)
		if err != nil {
			return fmt.Errorf("plug in %s: %w", n.name, err)
		}
		master, err := netlink.LinkByName(bridge)
		if err != nil {
			return fmt.Errorf("plug in %s: %w", n.name, err)
		}
		if err := netlink.LinkSetMaster(port, master); err != nil {
			return fmt.Errorf("plug in %s: %w", n.name, err)
		}
		return netlink.LinkSetUp(port)
	})
	if err != nil {
		return err
	}
	netns, err := ns.GetNS(fmt.Sprintf("/proc/%d/ns/net", n.process.cmd.Process.Pid))
	if err != nil {
		return fmt.Errorf("open the network namespace of %s: %w", n.name, err)
	}
	defer netns.Close()
	return netns.Do(func(ns.NetNS) error { return l.connect(n) })
}

// connect configures the network of a node, in whose namespace it runs: its own address, and a router's settings and routes.
func (l *Lab) connect(n *Node) error {
	if err := configure("eth0", l.plan, l.plan.node(n.number)); err != nil {
		return err
	}
	for i := 1; i <= l.config.Nodes; i++ {
		if i == n.number {
			continue
		}
		if err := route("eth0", l.plan.nodePods(i), l.plan.node(i)); err != nil {
			return err
		}
	}
	// A packet of the node's own to a Service has to have a route before kube-proxy's rules can send it elsewhere.
	if err := route("eth0", l.plan.services(), nil); err != nil {
		return err
	}
	for _, setting := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := set(setting, "1"); err != nil {
			return err
		}
	}
	return nil
}

// configure brings loopback and a link up and gives it addresses.
func configure(name string, p plan, addresses []string) error {
	for _, name := range []string{"lo", name} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("configure %s: %w", name, err)
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("bring %s up: %w", name, err)
		}
		if name == "lo" {
			continue
		}
		for _, address := range addresses {
			// Without duplicate address detection it can be used at once.
			if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: p.lan(address), Flags: unix.IFA_F_NODAD}); err != nil {
				return fmt.Errorf("give %s the address %s: %w", name, address, err)
			}
		}
	}
	return nil
}

// route adds a route to each network by the gateway of its family; without gateways, to neighbours on the link.
func route(name string, networks, gateways []string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("route by %s: %w", name, err)
	}
	for i, to := range networks {
		r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: network(to)}
		if gateways != nil {
			r.Gw = net.ParseIP(gateways[i])
		}
		if err := netlink.RouteAdd(r); err != nil {
			return fmt.Errorf("route %s by %s: %w", to, name, err)
		}
	}
	return nil
}

// set writes a setting of the network namespace that the calling thread is in.
func set(setting, value string) error {
	if err := os.WriteFile(filepath.Join("/proc/sys/net", setting), []byte(value), 0); err != nil {
		return fmt.Errorf("set %s to %s: %w", setting, value, err)
	}
	return nil
}

// Unplug pulls the node's cable out of the switch: what runs on it runs on, and nobody hears of it until [Node.Replug].
func (n *Node) Unplug() error { return n.setPort(netlink.LinkSetDown) }

// Replug puts it back.
func (n *Node) Replug() error { return n.setPort(netlink.LinkSetUp) }

// removePort removes the cable of a node that is off. The kernel does so too, some time after the node's last process has ended: too
// late for one that is switched on again at once.
func (n *Node) removePort() error {
	err := n.setPort(netlink.LinkDel)
	if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
		return nil
	}
	return err
}

func (n *Node) setPort(set func(netlink.Link) error) error {
	return n.lab.thread.do(func() error {
		port, err := netlink.LinkByName(n.name)
		if err == nil {
			err = set(port)
		}
		if err != nil {
			return fmt.Errorf("set the port of %s: %w", n.name, err)
		}
		return nil
	})
}
