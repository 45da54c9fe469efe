/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Fragments after the first carry no ports. Those that leave need none, since only their addresses change. For
 * those that arrive, the first fragment's decision is kept by (source, destination, id, and in IPv4 protocol). One that
 * overtakes its first goes to guest and pod both: each stack waits for a first fragment, only the right one gets it.
 * An entry holds for as long as stacks wait (RFC 791, RFC 8200: up to a minute), since ids come round again.
 */
#pragma once

#include "owners.h"

static __always_inline void fragment_key(struct frag_key *key, const struct packet *p)
{
	key->src = p->src;
	key->dst = p->dst;
	key->id = p->frag_id;
	key->proto = p->ipv6 ? 0 : p->proto; /* IPv6 fragments may name different next headers: RFC 8200, 4.5 */
	key->ipv6 = p->ipv6;
	key->pad = 0;
}

__noinline int fragment_remember(const struct packet *p, __u32 side)
{
	if (!p)
		return 0;

	__u32 value = epoch_of(CLASS_ICMP, clock_now()) << 2 | side;
	struct frag_key key;

	if (p->frag != FRAG_FIRST)
		return 0;
	fragment_key(&key, p);
	return bpf_map_update_elem(&fragments, &key, &value, BPF_ANY);
}

/* SIDE_NONE: its first fragment hasn't been here. */
__noinline __u32 fragment_side(const struct packet *p)
{
	if (!p)
		return SIDE_NONE;

	__u32 epoch = epoch_of(CLASS_ICMP, clock_now()) << 2 >> 2, *value;
	struct frag_key key;

	fragment_key(&key, p);
	value = bpf_map_lookup_elem(&fragments, &key);
	return value && epoch - (*value >> 2) <= 1 ? *value & 3 : SIDE_NONE;
}
