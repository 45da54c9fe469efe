/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The ways out of a program: on to the guest, to the outside, to the pod's stack, or nowhere. */
#pragma once

#include "config.h"
#include "frame.h"
#include "maps.h"
#include "packet.h"

/* Next program in the chain, the kernel's stack after the last: TCX_NEXT and TC_ACT_UNSPEC are the same. */
#define PASS (-1)
#define SHOT 2

/* skb->pkt_type; linux/if_packet.h can't be had without the C library. */
#define PACKET_HOST 0
#define PACKET_LOOPBACK 5

static __always_inline int drop(struct __sk_buff *skb, enum direction dir, __u32 reason)
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

/* To the pod NIC; the kernel's route and neighbour entry give the next hop, so a changed gateway MAC is followed. */
static __always_inline int to_outside(struct __sk_buff *skb)
{
	count(DIR_TRANSMIT, skb->len);
	return bpf_redirect_neigh(nic_ifindex, NULL, 0, 0);
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
