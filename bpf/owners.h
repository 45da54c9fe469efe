/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which side has used a wire port towards a remote end: what the flow table can't say any more once an entry was
 * evicted, and who must give way when both want the same.
 *
 * There are 65,536 slots for each port space and family. A flow's slot is its wire port, exclusive-or'ed with a hash
 * of the remote end: towards one remote end each port has a slot of its own, and different remote ends seldom share
 * one. (With a slot for the port alone, as soon as the pod has used a port, that port would be the pod's towards
 * everybody, and ports would be changed that conntrack leaves alone.) A slot that is shared by accident costs
 * a port change that wasn't needed; it never costs a connection.
 *
 * A word holds eight slots. Each side has two generations of a bit for each: "now" and "before". A side that
 * sends sets its bit in "now"; who reads takes both. A word carries the number of its epoch and is aged by the
 * first packet that touches it in a later one, so nothing has to walk the map: a claim lasts for one to two epochs
 * after the last renewal, and a flow in use renews its claim once an epoch (TUPLE_EPOCH in table.h).
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
#include "packet.h"

#define OWNER_RETRIES 8

static __always_inline __u32 epoch_of(__u8 class, __u32 clock)
{
	return clock >> (epoch_shift[class & (CLASSES - 1)] & 31);
}

static __always_inline __u16 owner_slot(const struct flow_key *key)
{
	__u64 mixed = (key->remote.half[0] + key->remote_port) * 0x9e3779b97f4a7c15ULL;

	mixed = (mixed ^ mixed >> 32 ^ key->remote.half[1]) * 0x9e3779b97f4a7c15ULL;
	return bpf_ntohs(key->local_port) ^ mixed >> 48;
}

static __always_inline __u64 *owner_word(const struct flow_key *key)
{
	__u32 index = ((key->ipv6 & 1) * CLASSES + (key->class & (CLASSES - 1))) * OWNER_WORDS + owner_slot(key) / OWNER_SLOTS;

	return bpf_map_lookup_elem(&owners, &index);
}

static __always_inline __u64 owner_aged(__u64 word, __u32 epoch)
{
	__u32 was = word >> 32;

	/* One ahead: another CPU read the clock just after the epoch changed and was first. Never age backwards. */
	if (was == epoch || was == epoch + 1)
		return word;
	return (__u64)epoch << 32 | (was + 1 == epoch ? (word & 0xff00ff00) >> 8 : 0);
}

/* Returns a set of 1 << enum side. */
__noinline __u32 owners_of(const struct flow_key *key, __u32 now)
{
	if (!key)
		return 0;

	__u32 bit = owner_slot(key) % OWNER_SLOTS;
	__u64 *word = owner_word(key), w;

	if (!word)
		return 0;
	w = owner_aged(*word, epoch_of(key->class, now));
	return ((w >> bit | w >> (bit + 8)) & 1) << SIDE_POD | ((w >> (bit + 16) | w >> (bit + 24)) & 1) << SIDE_GUEST;
}

/* Sets the side's bit; false when others were faster each time. */
__noinline int owner_claim(const struct flow_key *key, __u32 side, __u32 now)
{
	if (!key)
		return false;

	__u64 bit = 1ULL << (owner_slot(key) % OWNER_SLOTS + (side == SIDE_GUEST ? 24 : 8));
	__u32 epoch = epoch_of(key->class, now);
	__u64 *word = owner_word(key);

	if (!word)
		return false;
	for (int i = 0; i < OWNER_RETRIES; i++) {
		__u64 old = *(volatile __u64 *)word, new = owner_aged(old, epoch) | bit;

		if (new == old || __sync_val_compare_and_swap(word, old, new) == old)
			return true;
	}
	return false;
}
