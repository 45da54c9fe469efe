/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The next hop of a flow, for packets that leave with MACs that we wrote.
 *
 *      tap0 -> tapir_tap_in --- redirect_neigh -----------> eth0 ~~ backlog of the CPU ~~> host side -> CNI's programs
 *                           --- redirect: known next hop -> eth0 ~~ backlog of the CPU ~~> host side -> CNI's programs
 *                           --- redirect_peer: the same ---------------------------------> host side -> CNI's programs
 *
 * bpf_redirect_neigh looks up route and neighbour for each packet: that takes longer than all the rest of the program
 * (docs/performance.md). Where packets go through a veth, its other end is queued behind whatever else this CPU
 * received; bpf_redirect_peer makes the packet one that the host side has received, at once. Either way
 * the flow's entry caches the next hop's MAC, in one word that is read and written as a whole:
 *
 *      63         48 47                           0
 *     | looked up at | MAC in wire order, 0: none  |     0: not looked up yet
 *
 * It is looked up again about every second, so that another gateway or another MAC of it is followed. The lookup
 * finds a neighbour entry whatever the kernel thinks of it; only use makes the kernel doubt and ask. So a flow's first
 * packet, and then each that has looked up, goes by bpf_redirect_neigh. A router that changes its MAC without a word is
 * found out as soon as by the kernel's own packets, or a second later. With redirect_peer such a packet may be
 * overtaken by those behind it: therefore it is only one in eight seconds, and it may take as much longer.
 * What has no neighbour, no flow (fragments, ICMP errors), or a route that leads elsewhere goes that way too.
 * XDP (xdp_tap.h) uses what is cached and fresh, and never asks: each second a packet of a flow comes here.
 *
 * Races: an entry can be evicted, and another flow's be in its place, between look-up and use. Then one packet goes to
 * the other's next hop, or the other's do until its next refresh: a neighbour that isn't meant drops what isn't
 * its own. Half of a clock that has come round (in an hour or more) makes an old entry look new, for a second.
 */
#pragma once

#include "clock.h"
#include "config.h"
#include "frame.h"
#include "packet.h"

#define AF_INET 2
#define AF_INET6 10
#define REVALIDATE (8 * second) /* with redirect_peer */

static __always_inline __u16 hop_looked_up(__u64 hop)
{
	return hop >> 48;
}

/*
 * Asks the kernel for the next hop of a packet that has the pod's source address by now. It is asked as for a packet
 * that came in by the tap and is forwarded, since only for those it needs no setting of the pod NIC (its forwarding):
 * the tap's is on.
 */
__noinline int next_hop_refresh(context *ctx, const struct packet *p, struct flow *flow, __u32 now)
{
	if (!p || !flow)
		return 0;

	struct bpf_fib_lookup fib = {.family = AF_INET, .l4_protocol = p->proto, .ifindex = tap_ifindex};
	union addr pod = constant(&family_of(p->ipv6)->pod);
	__u64 hop = (__u64)(__u16)now << 48;
	long found;

	if (p->ipv6) {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, &pod, sizeof(pod));
		__builtin_memcpy(fib.ipv6_dst, &p->dst, sizeof(p->dst));
	} else {
		fib.ipv4_src = pod.word[0];
		fib.ipv4_dst = p->dst.word[0];
	}
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	/* A pod NIC that has another MAC than it had: frames must bear it, and only the kernel knows it. */
	if (found == BPF_FIB_LKUP_RET_SUCCESS && fib.ifindex == nic_ifindex && mac_of(fib.smac) == nic_mac)
		hop |= mac_of(fib.dmac);
	/* The packet that asks makes the kernel look for a neighbour that it doesn't know: the next packet may find it. */
	flow->next_hop = found == BPF_FIB_LKUP_RET_NO_NEIGH ? 0 : hop;
	return 0;
}

/* Whether what was found, if anything was, may be used without asking again. */
static __always_inline bool hop_fresh(__u64 hop, __u32 now)
{
	return hop && (__u16)(now - hop_looked_up(hop)) < second;
}

/* Addresses the frame to what was found; false where that was nobody. */
static __always_inline bool address_to_hop(context *ctx, __u64 hop)
{
	struct ethhdr *eth = data_of(ctx);
	__u64 source = nic_mac;

	if (!(hop << 16) || (void *)(eth + 1) > end_of(ctx))
		return false;
	__builtin_memcpy(eth->h_dest, &hop, ETH_ALEN);
	__builtin_memcpy(eth->h_source, &source, ETH_ALEN);
	return true;
}

/* Addresses the frame to the flow's next hop; false where the kernel must do that. */
static __always_inline bool address_to_next_hop(context *ctx, const struct packet *p, struct flow *flow,
						__u32 now)
{
	__u64 hop = flow->next_hop;

	if (!hop_fresh(hop, now)) {
		next_hop_refresh(ctx, p, flow, now);
		if (!redirect_peer || !hop || (__u16)now / REVALIDATE != hop_looked_up(hop) / REVALIDATE)
			return false;
		hop = flow->next_hop;
	}
	return address_to_hop(ctx, hop);
}
