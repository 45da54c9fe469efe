/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Tuples on a wire port that both guest and pod use. Here the translation can't be made again from the rules,
 * so it is hard state: in a map of its own that no other flow evicts, two entries a tuple:
 *
 *     wire     (remote, wire port)          -> side, its own port      from outside
 *     forward  (remote, side's own port)    -> wire port               from that side
 *
 * Nobody walks the map in the background. A stale tuple (not claimed for one to two epochs) is reclaimed when its
 * slot is wanted: by an insertion of the same tuple, or, when the map is full, by a sweep that the insertion makes.
 */
#pragma once

#include "owners.h"

#define SWEEP_PAUSE 16 /* clock units between sweeps of a full map, about a second at 1000 Hz */

static __u32 last_sweep; /* .bss; a race only sweeps twice */

static __always_inline void count_event(__u32 event)
{
	__u64 *n = bpf_map_lookup_elem(&events, &event);

	if (n)
		*n += 1;
}

static __always_inline bool contested_stale(__u8 class, const struct contest *c, __u32 now)
{
	return (__s32)(epoch_of(class, now) - epoch_of(class, c->seen)) > 1;
}

static long sweep_entry(void *map, struct flow_key *key, struct contest *c, __u32 *now)
{
	if (contested_stale(class_of(key->proto, key->ipv6), c, *now))
		bpf_map_delete_elem(map, key);
	return 0;
}

/* Makes a key one of the contested table's, until it is given back its class. */
static __always_inline __u8 contested_key(struct flow_key *key, __u8 kind)
{
	__u8 class = key->class;

	key->kind = kind;
	key->class = 0;
	return class;
}

static __always_inline void flow_key_again(struct flow_key *key, __u8 class)
{
	key->kind = 0;
	key->class = class;
}

static __always_inline struct contest *contested_find(struct flow_key *key, __u8 kind, __u32 now)
{
	__u8 class = contested_key(key, kind);
	struct contest *c = bpf_map_lookup_elem(&contested, key);

	flow_key_again(key, class);
	if (c && contested_stale(class, c, now))
		return NULL;
	return c;
}

static __always_inline long contested_insert(struct flow_key *key, __u8 kind, struct contest *c)
{
	__u8 class = contested_key(key, kind);
	struct contest *old = bpf_map_lookup_elem(&contested, key);
	long err;

	if (old && contested_stale(class, old, c->seen))
		bpf_map_delete_elem(&contested, key);
	err = bpf_map_update_elem(&contested, key, c, BPF_NOEXIST);
	flow_key_again(key, class);
	return err;
}

/*
 * Remembers that the side's own port stands on the wire as given. The wire entry is inserted first: whoever
 * inserts it owns the tuple, also when two CPUs translate the first packets of two flows at once.
 * Returns 0, or a negative error when the tuple is taken or the map full.
 */
__noinline int contested_put(struct flow_key *key, __u32 side, __u16 own, __u16 wire, __u32 now)
{
	if (!key)
		return -1;

	struct contest c = {.side = side, .port = own, .seen = now};
	int err;

	key->local_port = wire;
	err = contested_insert(key, 0, &c);
	if (!err) {
		c.port = wire;
		key->local_port = own;
		err = contested_insert(key, side, &c);
		if (err) { /* another CPU was first with this very flow: its translation stands */
			__u8 class = contested_key(key, 0);

			key->local_port = wire;
			bpf_map_delete_elem(&contested, key);
			flow_key_again(key, class);
		}
	}
	if (err == -7 /* E2BIG */) {
		count_event(EVENT_CONTESTED_FULL);
		if (now - last_sweep > SWEEP_PAUSE) {
			last_sweep = now;
			bpf_for_each_map_elem(&contested, sweep_entry, &now, 0);
		}
	}
	return err;
}
