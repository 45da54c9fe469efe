// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/tapir-vm/tapir/pkg/datapath"
)

// attachOptions are the flags of attach.
type attachOptions struct {
	datapath.Config
	binding     string
	dhcp        bool
	metricsAddr string
}

func attachCommand() *cobra.Command {
	o := attachOptions{Config: datapath.Config{
		CIDR4: datapath.DefaultCIDR4, CIDR6: datapath.DefaultCIDR6,
		TapUID: -1, TapGID: -1, // whoever opens the tap is the launcher's business
	}}
	cmd := &cobra.Command{
		Use:   "attach --netns PATH --tap TAP",
		Short: "Join a tap to a pod's NIC",
		Long: `Attach makes the tap when it is missing, loads the datapath's programs, attaches and pins them, and
returns: no process of Tapir is needed for packets to flow. Attaching again with other options updates
what is attached, and loses neither packets nor flows.

With --dhcp it then stays in the foreground and gives the guest its addresses by DHCPv4, DHCPv6 and
router advertisements until it is ended; the datapath stays attached.`,
		Example: `  tapir attach --netns /run/netns/web --nic eth0 --tap tap0
  tapir attach --netns /proc/1234/ns/net --nic eth0 --tap tap0 --port http:tcp/80 --dhcp`,
		Args: onlyTap(&o.NetNS, &o.Tap),
	}
	out := outputFlag(cmd)
	o.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		if err := needRoot(); err != nil {
			return err
		}
		return o.attach(cmd, *out)
	}
	return cmd
}

func (o *attachOptions) attach(cmd *cobra.Command, out format) error {
	if o.dhcp {
		return o.attachAndServe(cmd, out)
	}
	nic, err := datapath.Attach(o.Config)
	if err != nil {
		return err
	}
	return errors.Join(printNIC(cmd, nic, out), nic.Close())
}

func (o *attachOptions) flags(cmd *cobra.Command) {
	netnsFlag(cmd, &o.NetNS)
	tapFlag(cmd, &o.Tap)
	metricsFlag(cmd, &o.metricsAddr)
	f := cmd.Flags()
	f.StringVar(&o.NIC, "nic", "eth0", "the pod's NIC")
	f.StringVar(&o.Name, "name", "", "what people and metrics call it: a name, or namespace/vm/interface (default: the tap's name)")
	f.StringVar(&o.binding, "binding", string(datapath.Masquerade), "how the guest is joined to the pod's network: masquerade")
	f.Var((*portList)(&o.Ports), "port", "port of the guest that is reachable from outside, repeatable (default: all)")
	f.Var(cidr{&o.CIDR4, netip.Addr.Is4}, "cidr", "the guest's IPv4 network; its first address is the gateway's, its second the guest's")
	f.Var(cidr{&o.CIDR6, netip.Addr.Is6}, "cidr6", "the guest's IPv6 network")
	f.Var(mac{&o.MAC}, "guest-mac", "the guest's MAC (default: learnt from its first frame)")
	f.IntVar(&o.MTU, "mtu", 0, "MTU of the tap (default: the pod NIC's)")
	f.IntVar(&o.Queues, "queues", 1, "queues of the tap, when it is made")
	f.IntVar(&o.Flows, "flows", datapath.DefaultFlows, "size of the flow table")
	f.StringVar((*string)(&o.Fastpath), "fastpath", string(datapath.FastpathTC), "where packets are dealt with: tc, or xdp: UDP faster, bulk TCP slower")
	f.StringVar((*string)(&o.Redirect), "redirect", string(datapath.RedirectNeigh), "how packets leave the pod: neigh, or peer: past the backlog and the pod NIC's egress, where that is a veth with nothing on it")
	f.BoolVar(&o.dhcp, "dhcp", false, "stay, and give the guest its addresses")
	_ = cmd.MarkFlagRequired("netns")
	_ = cmd.MarkFlagRequired("tap")
}

// check refuses by name what later versions will do.
func (o *attachOptions) check() error {
	for _, flag := range []struct{ name, value, works, later string }{
		{"--binding", o.binding, string(datapath.Masquerade), string(datapath.Bridge)},
	} {
		switch flag.value {
		case flag.works:
		case flag.later:
			return fmt.Errorf("not supported yet: %s %s: use %s", flag.name, flag.value, flag.works)
		default:
			return fmt.Errorf("%s %q is unknown: use %s", flag.name, flag.value, flag.works)
		}
	}
	if o.metricsAddr != "" && !o.dhcp {
		return errors.New("--metrics-addr goes with --dhcp: without it attach returns at once")
	}
	return nil
}
