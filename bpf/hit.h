/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the flow table (table.h) says of a packet, keyed by what both directions of a flow share on the wire. A hit that
 * is fresh and whose owner fits is the fast path, the same for TC and XDP; everything else is decided again (flow.h).
 * TCP entries are fresh for as long as they are there, since a new connection shows by its SYN; others for one to two
 * epochs.
 */
#pragma once

#include "owners.h"
#include "table.h"

static __always_inline void key_outward(struct flow_key *key, const struct packet *p)
{
	key->remote = p->dst;
	key->remote_port = p->dport;
	key->local_port = p->sport;
	key->proto = p->proto;
	key->ipv6 = p->ipv6;
	key->class = p->class;
	key->kind = 0;
}

static __always_inline void key_inward(struct flow_key *key, const struct packet *p)
{
	key->remote = p->src;
	key->remote_port = p->sport;
	key->local_port = p->dport;
	key->proto = p->proto;
	key->ipv6 = p->ipv6;
	key->class = p->class;
	key->kind = 0;
}

static __always_inline bool flow_fresh(const struct flow *f, __u8 class, __u32 now)
{
	return class == CLASS_TCP || (__s32)(epoch_of(class, now) - epoch_of(class, f->seen)) <= 1;
}

/*
 * Is somebody at work on this very TCP tuple? A SYN then is the owner's to answer (RFC 5961: by a challenge), not the
 * rules' to give away: else one forged SYN would take a connection from its owner.
 */
static __always_inline bool flow_in_use(const struct flow *f, __u32 now)
{
	return f->bytes[DIR_TRANSMIT] && epoch_of(CLASS_UDP, now) - epoch_of(CLASS_UDP, f->seen) <= 1;
}

/*
 * Counts without atomics: a direction of a flow stays on one queue, hence one CPU, as long as RSS doesn't
 * move it, and a count lost at such a move harms nobody.
 */
static __always_inline void flow_touch(struct flow *f, enum direction dir, __u32 len, __u32 now)
{
	if (f->seen != now)
		f->seen = now;
	f->bytes[dir] += len;
	if (!++f->packets[dir])
		f->bytes[dir] += 1ULL << BYTES_BITS;
}

/* The flow of a packet from outside, if the table says whose it is; the word says whose. */
static __always_inline struct flow *hit_inward(const struct flow_key *key, const struct packet *p, __u32 now,
					       __u64 *tuple)
{
	struct flow *flow;

	if (p->opens && p->class != CLASS_TCP)
		return NULL;
	flow = flow_hit(key, tuple_of(key), TUPLE_KEY, tuple);
	if (!flow || !(p->opens ? flow_in_use(flow, now) : flow_fresh(flow, p->class, now)))
		return NULL;
	return flow;
}

/* The flow of a packet that the side sends, if the table knows it as that side's, on its own port, claimed. */
static __always_inline struct flow *hit_outward(const struct flow_key *key, const struct packet *p, __u8 side, __u32 now)
{
	__u64 tuple;

	return flow_hit(key, tuple_owned(key, side, p->sport, epoch_of(p->class, now)), TUPLE_ALL, &tuple);
}
