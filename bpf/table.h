/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The flow table: a cache in an array, whose entries are cache lines. A flow may stand in one of the eight slots from
 * its home on, and mostly does in the first: a packet of it then costs one line of memory, where in the kernel's hash
 * tables it takes three, one after the other.
 *
 * What must fit together is one word, read and written as a whole:
 *
 *      63    56  55   54   53    52   51  50 49  48 47          32 31         16 15          0
 *     | epoch  |used|busy| -  | IPv6 | class | side | owner's port |  wire port  | remote port |
 *
 * The key is used, IPv6, class, both ports, and the remote address, which doesn't fit in. Hence a reader looks at the
 * word again when it has compared the address. A writer takes the slot first: by compare-and-swap it makes the word busy,
 * which no reader takes for its flow's, writes the rest, and puts in the new word. If a reader sees the same word twice
 * though the slot was another's in between, it has read the address of the last one, or a mixture that is nobody's.
 * (x86-64 keeps loads in order. Elsewhere a reader could, for a few instructions, take a decision for that on a flow with
 * the same ports from another address: a cache that is wrong for one packet.)
 *
 * Who doesn't get a slot, since another CPU is at work on it, goes without: the next packet tries again. Two CPUs with the
 * same new flow might choose different slots. So who has written looks whether the flow stands elsewhere too, and
 * then takes its own out again; at worst both do.
 *
 * A new flow gets a slot that is free, or whose flow isn't TCP's and has been silent for two epochs of UDP's (its decision
 * would be made again anyway), else that which has been silent for longest. Nobody walks the table in the background. Which
 * flows share slots nobody outside can tell (flow_seed); all that could be won is to have flows decided again.
 */
#pragma once

#include "clock.h"
#include "config.h"
#include "maps.h"

#define FLOW_WAYS 8
#define NO_SLOT 0xffffffff

#define TUPLE_PORT 32 /* the owner's own; differs from the wire port where that was taken */
#define TUPLE_SIDE 48
#define TUPLE_CLASS 50
#define TUPLE_IPV6 52
#define TUPLE_BUSY (1ULL << 54)
#define TUPLE_USED (1ULL << 55)
/*
 * Low 8 bits of when the owner last claimed the wire port, see owners.h. If they come round while it is silent, its next
 * packet doesn't renew the claim; the entry itself still says whose the port is.
 */
#define TUPLE_EPOCH 56
#define TUPLE_KEY (0xffffffffULL | 3ULL << TUPLE_CLASS | 1ULL << TUPLE_IPV6 | TUPLE_USED)
#define TUPLE_ALL (~0ULL)

static __always_inline __u64 tuple_of(const struct flow_key *key)
{
	return key->remote_port | (__u64)key->local_port << 16 | (__u64)key->class << TUPLE_CLASS |
	       (__u64)key->ipv6 << TUPLE_IPV6 | TUPLE_USED;
}

/* The word of a flow that is the side's, on its port, claimed in an epoch. */
static __always_inline __u64 tuple_owned(const struct flow_key *key, __u8 side, __be16 port, __u32 epoch)
{
	return tuple_of(key) | (__u64)port << TUPLE_PORT | (__u64)side << TUPLE_SIDE | (__u64)epoch << TUPLE_EPOCH;
}

static __always_inline __u8 side_of(__u64 tuple)
{
	return tuple >> TUPLE_SIDE & 3;
}

static __always_inline __u8 class_in(__u64 tuple)
{
	return tuple >> TUPLE_CLASS & (CLASSES - 1);
}

static __always_inline bool ipv6_in(__u64 tuple)
{
	return tuple >> TUPLE_IPV6 & 1;
}

static __always_inline __be16 port_of(__u64 tuple)
{
	return tuple >> TUPLE_PORT;
}

/* Multiplying carries to the left, so only the left half of a product is well mixed. */
static __always_inline __u32 flow_home(const struct flow_key *key)
{
	__u64 mixed = (key->remote.half[0] ^ flow_seed) * 0x9e3779b97f4a7c15ULL;

	if (key->ipv6)
		mixed = ((mixed ^ mixed >> 32) + key->remote.half[1]) * 0x9e3779b97f4a7c15ULL;
	mixed = ((mixed ^ mixed >> 32) + (__u32)tuple_of(key) + key->class) * 0xd6e8feb86659fd93ULL;
	mixed = (mixed ^ mixed >> 32 ^ flow_seed) * 0x9e3779b97f4a7c15ULL; /* or ports alone told who shares a home */
	return (mixed >> 32) * (flow_slots - (FLOW_WAYS - 1)) >> 32;
}

static __always_inline struct flow *flow_at(__u32 slot)
{
	return bpf_map_lookup_elem(&flows, &slot);
}

static __always_inline __u64 tuple_read(const struct flow *f)
{
	return *(const volatile __u64 *)&f->tuple;
}

/*
 * The word of an entry that has the key's address, and a word as wanted where the mask says; else 0. One branch, or the
 * verifier would follow all that comes after each.
 */
static __always_inline __u64 flow_read(const struct flow *f, const struct flow_key *key, __u64 want, __u64 mask)
{
	__u64 tuple = tuple_read(f), other;

	barrier();
	other = (f->remote.half[0] ^ key->remote.half[0]) | (f->remote.half[1] ^ key->remote.half[1]);
	barrier();
	other |= ((tuple ^ want) & mask) | (tuple_read(f) ^ tuple);
	return other ? 0 : tuple;
}

/* The first slot, from one on, where such an entry stands; NO_SLOT: none of those that its flow may stand in. */
__noinline int flow_search(const struct flow_key *key, __u64 want, __u64 mask, __u32 from)
{
	if (!key)
		return NO_SLOT;
	for (__u32 way = 0; way < FLOW_WAYS; way++) {
		struct flow *f = flow_at(from + way);

		if (f && flow_read(f, key, want, mask))
			return from + way;
	}
	return NO_SLOT;
}

/* The slot of a flow, whosever it is. */
__noinline int flow_slot(const struct flow_key *key)
{
	return key ? flow_search(key, tuple_of(key), TUPLE_KEY, flow_home(key)) : NO_SLOT;
}

/* Its entry, and its word as it was read: what decides is in there, and not to be read from the entry again. */
static __always_inline struct flow *flow_find(const struct flow_key *key, __u64 *tuple)
{
	struct flow *f = flow_at(flow_slot(key));

	return f && (*tuple = flow_read(f, key, tuple_of(key), TUPLE_KEY)) ? f : NULL;
}

/* The same for many packets: without a call where it is at home. The mask says which part of the word must be as wanted. */
static __always_inline struct flow *flow_hit(const struct flow_key *key, __u64 want, __u64 mask, __u64 *tuple)
{
	__u32 home = flow_home(key);
	struct flow *f = flow_at(home);

	if (f && (*tuple = flow_read(f, key, want, mask)))
		return f;
	f = flow_at(flow_search(key, want, mask, home + 1));
	return f && (*tuple = flow_read(f, key, want, mask)) ? f : NULL;
}

/* The smaller of two, of less than 63 bits. No branches, or the verifier would follow all that comes after each. */
static __always_inline __u64 min_of(__u64 a, __u64 b)
{
	__s64 less = (__s64)(a - b) >> 63;

	barrier_var(less); /* or the compiler knows what this is, and branches */
	return (a & less) | (b & ~less);
}

/* 1 for an entry of TCP's. */
static __always_inline __u64 tuple_tcp(__u64 tuple)
{
	return tuple / TUPLE_USED & ~(tuple >> TUPLE_CLASS) & ~(tuple >> (TUPLE_CLASS + 1)) & 1;
}

/* The slot for a new flow: the first that is free or as good as that, else the one that is silent for longest. */
__noinline int flow_room(__u32 home, __u32 now)
{
	__u32 enough = 2U << (epoch_shift[CLASS_UDP] & 15);
	__u64 best = 1ULL << 40; /* more than any */

	for (__u32 way = 0; way < FLOW_WAYS; way++) {
		struct flow *f = flow_at(home + way);
		__u64 tuple, dead;
		__u32 idle;

		if (!f)
			return home;
		tuple = tuple_read(f);
		idle = now - f->seen + 2; /* another CPU's clock may be one ahead */
		dead = (__u64)((__s64)((__u64)enough - idle) >> 63) & (tuple_tcp(tuple) - 1);
		idle |= dead | ((tuple / TUPLE_USED & 1) - 1);
		idle *= !(tuple & TUPLE_BUSY);
		best = min_of(best, (__u64)~idle * FLOW_WAYS + way);
	}
	return home + best % FLOW_WAYS;
}

/* Writes an entry over what stands in a slot; false if another CPU is at it. */
static __always_inline bool flow_write(struct flow *f, const struct flow *entry)
{
	__u64 was = tuple_read(f);

	if (was & TUPLE_BUSY || __sync_val_compare_and_swap(&f->tuple, was, TUPLE_BUSY) != was)
		return false;
	f->remote = entry->remote;
	f->next_hop = entry->next_hop;
	f->seen = entry->seen;
	f->made = entry->made;
	for (int dir = 0; dir < 2; dir++) {
		f->packets[dir] = entry->packets[dir];
		f->bytes[dir] = entry->bytes[dir];
	}
	return __sync_val_compare_and_swap(&f->tuple, TUPLE_BUSY, entry->tuple) == TUPLE_BUSY; /* ordered after the rest */
}

/* Gives a flow the slot. */
static __always_inline void flow_put(const struct flow_key *key, __u32 slot, const struct flow *entry)
{
	struct flow *f = flow_at(slot);

	if (!f || !flow_write(f, entry))
		return;
	/* Elsewhere too? Where it stands first, it isn't looked for behind. */
	if (flow_slot(key) == slot && flow_search(key, tuple_of(key), TUPLE_KEY, slot + 1) == NO_SLOT)
		return;
	__sync_val_compare_and_swap(&f->tuple, entry->tuple, 0);
}
