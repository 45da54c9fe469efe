// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The XDP fast path of a masqueraded guest. Theory of operation.
 *
 *     guest -- tap0 <--- redirect --- tapir_xdp_nic <--- eth0      native XDP: the kernel's stack makes no packet of
 *               |                          |                       what takes this way
 *               |                          +-- pass --> tapir_nic_in (masquerade.bpf.c), as without XDP
 *               |
 *               +---> tapir_xdp_tap --- redirect ------> eth0 ===> the other end's queue, past the pod NIC's egress
 *                          +-- pass --> tapir_tap_in
 *
 * They do one thing: a UDP datagram of a flow that the flow table knows as the guest's is translated and sent on.
 * Everything else they pass, untouched and uncounted, and TC deals with it as if XDP weren't there: new flows,
 * fragments, options, ICMP, what is too long or has no hops left, whatever isn't to be forwarded at all. So what they
 * forward, TC would have forwarded alike; they share TC's code (packet.h, hit.h, nat.h) and maps, and decide and learn
 * nothing by themselves.
 *
 * TCP is TC's, all of it: into the guest its segments are put together again on the way there (GRO), and a guest is better
 * off with one large frame than with 45 quick ones, which also overflow the queue of a tap (1000 frames); out of it they
 * are large to begin with. A flow that took both ways would be reordered.
 *
 * Limits: a frame in several buffers, a checksum that is not whole (whole.h). A VLAN tag that the sender's device left
 * beside the frame can't be seen here: TC would pass such a packet to the pod's stack. Nor can it be seen that a guest
 * has asked for a datagram to be cut up (USO); it asks for the checksum then, too, which is not whole for that.
 */
#include "xdp.h"

#include "address.h"
#include "config.h"
#include "frame.h"
#include "hit.h"
#include "nat.h"
#include "nexthop.h"
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

#include "xdp_nic.h"
#include "xdp_tap.h"
