// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The XDP fast path of a masqueraded guest. Theory of operation.
 *
 *     guest -- tap0 <--- redirect --- tapir_xdp_nic <--- eth0      native XDP: the kernel's stack makes no packet of
 *                                          |                       what takes this way
 *                                          +-- pass --> tapir_nic_in (masquerade.bpf.c), as without XDP
 *
 * It does one thing: a UDP datagram of a flow that the flow table knows as the guest's is translated and sent on.
 * Everything else it passes, untouched and uncounted, and TC deals with it as if XDP weren't there: new flows,
 * fragments, options, ICMP, what is too long or has no hops left, whatever isn't to be forwarded at all. So what it
 * forwards, TC would have forwarded alike; it shares TC's code (packet.h, hit.h, nat.h) and maps, and decides and learns
 * nothing by itself.
 *
 * TCP is TC's, all of it: on its way there its segments are put together again (GRO), and a guest is better off with one
 * large frame than with 45 quick ones, which also overflow the queue of a tap (1000 frames). A flow that took both ways
 * would be reordered. What the guest sends is TC's too: a veth only takes frames from XDP while its other end polls.
 *
 * Limits: a frame in several buffers, a checksum that is not whole (whole.h). A VLAN tag that the sender's device left
 * beside the frame can't be seen here: TC would pass such a packet to the pod's stack.
 */
#include "xdp.h"

#include "address.h"
#include "config.h"
#include "frame.h"
#include "hit.h"
#include "nat.h"
#include "whole.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Reads the packet; false for what is better left to TC, whichever way it goes. */
static __always_inline bool read_plain(context *ctx, struct packet *p, const bool ipv6)
{
	const __u32 l4 = ETH_HLEN + (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	void *ip = data_of(ctx) + ETH_HLEN;
	__be16 len;

	if (parse(ctx, p, ETH_HLEN, ipv6, false) || p->frag || p->l4 != l4 || p->class != CLASS_UDP || p->ttl <= 1)
		return false;
	p->l4 = l4; /* now the compiler knows too */
	if (length_of(ctx) - ETH_HLEN > nic_mtu || data_of(ctx) + l4 > end_of(ctx))
		return false;
	if (ipv6)
		len = ((struct ipv6hdr *)ip)->payload_len;
	else
		len = bpf_htons(bpf_ntohs(((struct iphdr *)ip)->tot_len) - sizeof(struct iphdr));
	return is_whole(ctx, p, len, ipv6);
}

static __always_inline int xdp_nic_ip(context *ctx, const bool ipv6)
{
	const volatile struct family *f = family_of(ipv6);
	__u32 now = clock_now();
	struct rewrite r;
	struct flow_key key;
	struct flow *flow;
	struct packet p;

	if (!read_plain(ctx, &p, ipv6) || !addr_equal(&p.dst, &f->pod, ipv6) || addr_in(&p.src, f, ipv6) ||
	    is_nowhere(&p.src, ipv6) || is_group(&p.src, ipv6) || addr_equal(&p.src, &f->pod, ipv6))
		return XDP_PASS;
	key_inward(&key, &p);
	flow = hit_inward(&key, &p, now);
	if (!flow || flow->side != SIDE_GUEST || !address_to_guest(ctx))
		return XDP_PASS;
	r = (struct rewrite){.src = p.src, .dst = constant(&f->guest), .difference = f->to_guest,
			     .old_port = p.dport, .new_port = flow->port, .which = DESTINATION_PORT, .routed = true};
	if (rewrite(ctx, &p, &r))
		return XDP_ABORTED;
	flow_touch(flow, DIR_RECEIVE, length_of(ctx), now);
	count(DIR_RECEIVE, length_of(ctx));
	return bpf_redirect(tap_ifindex, 0);
}

SEC("xdp.frags")
int tapir_xdp_nic(struct xdp_md *ctx)
{
	struct ethhdr *eth = data_of(ctx);

	if ((void *)(eth + 1) > end_of(ctx) || mac_of(eth->h_dest) != nic_mac)
		return XDP_PASS;
	if (has_ipv4 && eth->h_proto == bpf_htons(ETH_P_IP))
		return xdp_nic_ip(ctx, false);
	if (has_ipv6 && eth->h_proto == bpf_htons(ETH_P_IPV6))
		return xdp_nic_ip(ctx, true);
	return XDP_PASS;
}
