/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Frames between guest and outside: whom they are for, and how many there were. */
#pragma once

#include <linux/if_ether.h>

#include "config.h"
#include "maps.h"
#include "ports.h"

static __always_inline __u64 mac_of(const __u8 *mac)
{
	__u64 value = 0;

	__builtin_memcpy(&value, mac, ETH_ALEN);
	return value;
}

static __always_inline struct nic_state *state_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&state, &zero);
}

/* The guest's MAC: the configured one, else the one that was learnt, 0 as long as neither is there. */
static __always_inline __u64 guest_mac(void)
{
	struct settings *configured = settings_of();
	struct nic_state *learnt = state_of();

	if (configured && configured->guest_mac)
		return configured->guest_mac;
	return learnt ? learnt->guest_mac : 0;
}

/* Addresses the frame to the guest; false while its MAC is unknown. */
static __always_inline bool address_to_guest(context *ctx)
{
	struct ethhdr *eth = data_of(ctx);
	__u64 mac = guest_mac();

	if (!mac || (void *)(eth + 1) > end_of(ctx))
		return false;
	__builtin_memcpy(eth->h_dest, &mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, gateway_mac, ETH_ALEN);
	return true;
}

static __always_inline void count(enum direction dir, __u32 bytes)
{
	__u32 index = dir;
	struct counter *c = bpf_map_lookup_elem(&counters, &index);

	if (c) {
		c->packets += 1;
		c->bytes += bytes;
	}
}
