/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The ways out of a program: on to the guest, to the outside, to the pod's stack, or nowhere. */
#pragma once

#include "config.h"
#include "frame.h"
#include "maps.h"
#include "nexthop.h"
#include "packet.h"

/* Next program in the chain, the kernel's stack after the last: TCX_NEXT and TC_ACT_UNSPEC are the same. */
#define PASS (-1)
#define SHOT 2

/* skb->pkt_type; linux/if_packet.h can't be had without the C library. */
#define PACKET_HOST 0
#define PACKET_LOOPBACK 5

/* Counts it. A function of its own, as are those of other headers that only rare packets need: so it is verified once. */
__noinline int drop(struct __sk_buff *skb, enum direction dir, __u32 reason)
{
	__u32 index = reason * 2 + dir;
	struct counter *c = bpf_map_lookup_elem(&drops, &index);

	if (c) {
		c->packets += 1;
		c->bytes += skb->len;
	}
	return SHOT;
}

/*
 * To the tap. The guest's MAC is normally known; before a guest has said a word the kernel resolves it, over the
 * gateway's addresses on the tap.
 */
static __always_inline int to_guest(struct __sk_buff *skb)
{
	count(DIR_RECEIVE, skb->len);
	if (!address_to_guest(skb))
		return bpf_redirect_neigh(tap_ifindex, NULL, 0, 0);
	return bpf_redirect(tap_ifindex, 0);
}

/*
 * To the pod NIC, with the MACs of the flow's next hop (nexthop.h), or, where those aren't known or there is no flow, by
 * the kernel's route and neighbour entry, which costs as much as all the rest of the program.
 *
 * The other end of a veth compares the destination of what it receives with its own MAC (eth_type_trans). Past it, up
 * to Linux 6.14, a packet stays whose the kernel took it for when the tap received it; from 6.15 on it becomes
 * PACKET_HOST (skb_scrub_packet in skb_do_redirect). Both are the same here: what leaves was sent to the gateway's MAC,
 * which the tap has. If somebody has changed the tap's, it goes through the NIC, lest it die as another host's.
 */
static __always_inline int to_outside(struct __sk_buff *skb, const struct packet *p, struct flow *flow, __u32 now)
{
	count(DIR_TRANSMIT, skb->len);
	if (!flow || !address_to_next_hop(skb, p, flow, now))
		return bpf_redirect_neigh(nic_ifindex, NULL, 0, 0);
	if (redirect_peer && skb->pkt_type == PACKET_HOST)
		return bpf_redirect_peer(nic_ifindex, 0);
	return bpf_redirect(nic_ifindex, 0);
}

/* To the pod process behind 127.0.0.1 or ::1. lo's MAC is zero; with any other the packet is somebody else's. */
static __always_inline int to_loopback(struct __sk_buff *skb)
{
	struct ethhdr *eth = data_of(skb);

	if ((void *)(eth + 1) > end_of(skb))
		return drop(skb, DIR_TRANSMIT, DROP_MALFORMED);
	__builtin_memset(eth, 0, 2 * ETH_ALEN);
	count(DIR_TRANSMIT, skb->len);
	return bpf_redirect(LO_IFINDEX, BPF_F_INGRESS);
}
