// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
)

// GuestInfo is what a guest says of itself, by its agent. It is the guest's to make up: short texts, at most so many.
type GuestInfo struct {
	Hostname   string
	OS         GuestOS
	Interfaces []GuestInterface
}

// GuestOS is a guest's operating system, as os-release(5) and uname(2) have it.
type GuestOS struct {
	Name, ID, Version, VersionID, PrettyName, KernelRelease, KernelVersion, Machine string
}

// GuestInterface is a network interface as the guest sees it.
type GuestInterface struct {
	Name string
	MAC  string
	IPs  []string
}

const (
	maxGuestText       = 256 // bytes
	maxGuestInterfaces = 64
	maxGuestIPs        = 64 // of an interface
)

// GuestInfo asks the guest's agent. What the agent doesn't know is left empty. Returns an error wrapping ErrNoAgent when nobody
// answers.
func (v *VM) GuestInfo(ctx context.Context) (*GuestInfo, error) {
	var os struct {
		Name          string
		ID            string
		Version       string
		VersionID     string `json:"version-id"`
		PrettyName    string `json:"pretty-name"`
		KernelRelease string `json:"kernel-release"`
		KernelVersion string `json:"kernel-version"`
		Machine       string
	}
	var host struct {
		Name string `json:"host-name"`
	}
	var interfaces []agentInterface
	for command, result := range map[string]any{
		"guest-get-osinfo": &os, "guest-get-host-name": &host, "guest-network-get-interfaces": &interfaces,
	} {
		var refusal *CommandError
		if err := v.askAgent(ctx, command, nil, result); err != nil && !errors.As(err, &refusal) {
			return nil, err
		}
	}
	return &GuestInfo{
		Hostname: short(host.Name),
		OS: GuestOS{
			Name: short(os.Name), ID: short(os.ID), Version: short(os.Version), VersionID: short(os.VersionID), PrettyName: short(os.PrettyName),
			KernelRelease: short(os.KernelRelease), KernelVersion: short(os.KernelVersion), Machine: short(os.Machine),
		},
		Interfaces: shown(interfaces),
	}, nil
}

// agentInterface is an interface as the agent says it.
type agentInterface struct {
	Name string
	MAC  string `json:"hardware-address"`
	IPs  []struct {
		Address string `json:"ip-address"`
	} `json:"ip-addresses"`
}

// shown is what is shown of a guest's interfaces: addresses that are some, and so many. Everybody who is told of a guest has to read it.
func shown(interfaces []agentInterface) (list []GuestInterface) {
	for _, i := range interfaces[:min(len(interfaces), maxGuestInterfaces)] {
		nic := GuestInterface{Name: short(i.Name)}
		if mac, err := net.ParseMAC(i.MAC); err == nil {
			nic.MAC = mac.String()
		}
		for _, ip := range i.IPs[:min(len(i.IPs), maxGuestIPs)] {
			if address, err := netip.ParseAddr(ip.Address); err == nil {
				nic.IPs = append(nic.IPs, address.WithZone("").String())
			}
		}
		list = append(list, nic)
	}
	return list
}

// short cuts a text of the guest's to what is shown of it.
func short(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxGuestText)], "")
}
