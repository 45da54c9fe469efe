/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which side has used a local port: what the flow table can't say any more once an entry was evicted.
 *
 * A word holds eight ports. Each side has two generations of a bit for each: "now" and "before". A side that
 * sends from a port sets its bit in "now"; who reads takes both. A word carries the number of its epoch and is
 * aged by the first packet that touches it in a later one, so nothing has to walk the map: a claim lasts for one
 * to two epochs after the last renewal, and a flow in use renews its claim once an epoch (struct flow.epoch).
 *
 *     63         32 31        24 23          16 15      8 7          0
 *    |    epoch    | guest now  | guest before | pod now | pod before |
 *
 * A change is one compare-and-swap of the word. Losing it eight times in a row leaves the bit unset and the
 * flow's epoch old, so that the flow's next packet tries again.
 */
#pragma once

#include "clock.h"
#include "config.h"
#include "maps.h"

#define OWNER_RETRIES 8

static __always_inline __u32 epoch_of(__u8 class, __u32 clock)
{
	return clock >> (epoch_shift[class & (CLASSES - 1)] & 31);
}

static __always_inline __u64 *owner_word(__u8 class, bool ipv6, __be16 port)
{
	__u32 index = ((__u32)ipv6 * CLASSES + class) * OWNER_WORDS + bpf_ntohs(port) / OWNER_PORTS;

	return bpf_map_lookup_elem(&owners, &index);
}

static __always_inline __u64 owner_aged(__u64 word, __u32 epoch)
{
	__u32 was = word >> 32;

	if (was == epoch)
		return word;
	/* Another CPU may read the clock just before the epoch changed and come second: never age backwards. */
	if (was == epoch + 1)
		return word;
	return (__u64)epoch << 32 | (was + 1 == epoch ? (word & 0xff00ff00) >> 8 : 0);
}

/* Returns a set of 1 << enum side. */
static __always_inline __u32 owners_of(__u8 class, bool ipv6, __be16 port, __u32 now)
{
	__u64 *word = owner_word(class, ipv6, port), w;
	__u32 bit = bpf_ntohs(port) % OWNER_PORTS;

	if (!word)
		return 0;
	w = owner_aged(*word, epoch_of(class, now));
	return ((w >> bit | w >> (bit + 8)) & 1) << SIDE_POD | ((w >> (bit + 16) | w >> (bit + 24)) & 1) << SIDE_GUEST;
}

/* Sets the side's bit; false when others were faster each time. */
__noinline int owner_claim(__u32 class, __u32 ipv6, __u16 port, __u32 side, __u32 now)
{
	__u64 *word = owner_word(class & (CLASSES - 1), ipv6 & 1, port);
	__u64 bit = 1ULL << (bpf_ntohs(port) % OWNER_PORTS + (side == SIDE_GUEST ? 24 : 8));

	if (!word)
		return false;
	for (int i = 0; i < OWNER_RETRIES; i++) {
		__u64 old = *(volatile __u64 *)word, new = owner_aged(old, epoch_of(class, now)) | bit;

		if (new == old || __sync_val_compare_and_swap(word, old, new) == old)
			return true;
	}
	return false;
}
