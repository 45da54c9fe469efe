// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/tapir-vm/tapir/pkg/spec"
)

// ErrNotThePods says that a launcher has given another namespace than its pod's, or none.
var ErrNotThePods = errors.New("what the launcher gave is not its pod's network namespace")

// checkNetNS makes sure that a descriptor of a launcher is its pod's network namespace: the NICs that the machine is joined to have the
// addresses there that the API server knows the pod by.
func checkNetNS(file *os.File, nics []spec.NIC, launcher *corev1.Pod) error {
	var fsinfo unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &fsinfo); err != nil {
		return fmt.Errorf("look at the pod's network namespace: %w", err)
	}
	if fsinfo.Type != unix.NSFS_MAGIC {
		return fmt.Errorf("%w: it is no namespace", ErrNotThePods)
	}
	if kind, err := unix.IoctlRetInt(int(file.Fd()), unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNET {
		return fmt.Errorf("%w: it is another kind of namespace (%#x, %w)", ErrNotThePods, kind, err)
	}
	if launcher.Spec.HostNetwork {
		return fmt.Errorf("%w: pod %s is on the node's network", ErrNotThePods, launcher.Name)
	}
	if len(nics) == 0 {
		return nil // nothing will be done there
	}
	has, err := addressesIn(file, nics[0].Datapath.NIC)
	if err != nil {
		return err
	}
	for _, ip := range launcher.Status.PodIPs {
		if address, err := netip.ParseAddr(ip.IP); err != nil || !slices.Contains(has, address) {
			return fmt.Errorf("%w: %s doesn't have %s there", ErrNotThePods, nics[0].Datapath.NIC, ip.IP)
		}
	}
	return nil
}

// addressesIn lists the addresses of a NIC in a network namespace.
func addressesIn(file *os.File, nic string) (addresses []netip.Addr, err error) {
	err = ns.WithNetNSPath(pathOf(file), func(ns.NetNS) error {
		link, err := netlinksafe.LinkByName(nic)
		if err != nil {
			return err
		}
		list, err := netlinksafe.AddrList(link, netlink.FAMILY_ALL)
		for _, a := range list {
			address, _ := netip.AddrFromSlice(a.IP)
			addresses = append(addresses, address.Unmap())
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the addresses of the pod's %s: %w", nic, err)
	}
	return addresses, nil
}
