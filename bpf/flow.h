/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The flow table: a cache of decisions, keyed by what both directions of a flow share on the wire. A hit that is
 * fresh and whose owner fits is the fast path. Everything else is decided here again, from (in this order)
 * contested tuples, port ownership and the port rules, and cached. TCP entries are fresh for as long as they are
 * there, since a new connection shows by its SYN; others for one to two epochs.
 */
#pragma once

#include "contested.h"
#include "ports.h"

#define PORT_RETRIES 32
#define PORT_MIN 1024

static __always_inline void key_outward(struct flow_key *key, const struct packet *p)
{
	key->remote = p->dst;
	key->remote_port = p->dport;
	key->local_port = p->sport;
	key->proto = p->proto;
	key->ipv6 = p->ipv6;
	key->kind = key->pad = 0;
}

static __always_inline void key_inward(struct flow_key *key, const struct packet *p)
{
	key->remote = p->src;
	key->remote_port = p->sport;
	key->local_port = p->dport;
	key->proto = p->proto;
	key->ipv6 = p->ipv6;
	key->kind = key->pad = 0;
}

static __always_inline bool flow_fresh(const struct flow *f, __u8 class, __u32 now)
{
	return class == CLASS_TCP || (__s32)(epoch_of(class, now) - epoch_of(class, f->seen)) <= 1;
}

/*
 * Counts without atomics: a direction of a flow stays on one queue, hence one CPU, as long as RSS doesn't
 * move it, and a count lost at such a move harms nobody.
 */
static __always_inline void flow_touch(struct flow *f, enum direction dir, __u32 len, __u32 now)
{
	if (f->seen != now)
		f->seen = now;
	f->packets[dir] += 1;
	f->bytes[dir] += len;
}

static __always_inline void flow_store(struct flow_key *key, __u8 side, __be16 own, __u32 epoch, __u32 now)
{
	struct flow f = {.side = side, .port = own, .epoch = epoch, .seen = now, .made = now}, *old;

	old = bpf_map_lookup_elem(&flows, key);
	if (old && old->side == side && old->port == own) {
		old->epoch = epoch;
		old->seen = now;
		return;
	}
	bpf_map_update_elem(&flows, key, &f, BPF_ANY);
}

/* Tries one wire port at random: takes it for the side if neither uses it. 0: it is taken. */
__noinline int port_try(struct flow_key *key, __u32 side, __u16 own, __u32 now)
{
	if (!key)
		return 0;

	__u32 n = PORT_MIN + (((__u64)bpf_get_prandom_u32() * (65536 - PORT_MIN)) >> 32);
	__u8 class = class_of_key(key);
	struct nic_state *s = state_of();
	__be16 wire = bpf_htons(n);

	key->local_port = wire;
	if (owners_of(key, now))
		return 0;
	if (s && s->ports_only && port_rule(class, wire) == SIDE_GUEST)
		return 0; /* declared: the guest will listen there */
	if (contested_put(key, side, own, wire, now))
		return 0;
	count_event(EVENT_REMAP);
	return wire;
}

/* Finds a wire port that neither side uses and remembers the tuple. 0: none was found. */
static __always_inline __be16 port_allocate(struct flow_key *key, __u8 side, __be16 own, __u32 now)
{
	for (int i = 0; i < PORT_RETRIES; i++) {
		__be16 wire = port_try(key, side, own, now);

		if (wire)
			return wire;
	}
	return 0;
}

/* Does the side's port stand on the wire for the other side already, or for another port of its own? */
static __always_inline bool port_taken(struct flow_key *key, __u8 side, __u32 now)
{
	struct contest *c = contested_find(key, 0, now);

	if (c)
		return c->side != side || c->port != key->local_port;
	return owners_of(key, now) & 1 << (side == SIDE_GUEST ? SIDE_POD : SIDE_GUEST);
}

/*
 * The slow path of what leaves: the wire port for a packet of this side, -1 when there is none. On return key is
 * that of the flow on the wire. The side may keep its port unless the other side has used it towards this
 * remote end; a flow that is known to be ours all the same (the remote opened it) keeps it too, but is written down.
 */
__noinline int flow_resolve_outward(struct flow_key *key, __u32 side, __u32 claims, __u32 now)
{
	if (!key)
		return -1;

	__u8 class = class_of_key(key);
	__be16 own = key->local_port, wire = own;
	struct contest *c = contested_find(key, side, now);
	struct flow *f;

	if (c) {
		wire = c->port;
		c->seen = now;
		key->local_port = wire;
		c = contested_find(key, 0, now);
		if (c)
			c->seen = now;
	} else if (claims && class != CLASS_OTHER && port_taken(key, side, now)) {
		f = bpf_map_lookup_elem(&flows, key);
		if (f && f->side == side && f->port == own) {
			contested_put(key, side, own, own, now);
		} else {
			wire = port_allocate(key, side, own, now);
			if (!wire) {
				/* Two CPUs with the same new flow: the other one's translation serves both. */
				key->local_port = own;
				c = contested_find(key, side, now);
				if (!c)
					return -1;
				wire = c->port;
			}
		}
		key->local_port = wire;
	}
	if (claims) {
		__u32 epoch = epoch_of(class, now);

		if (!owner_claim(key, side, now))
			epoch--;
		flow_store(key, side, own, epoch, now);
	}
	return wire;
}

/* Whose a packet on this wire port is, when the flow table does not say; own is that side's port. */
static __always_inline __u8 flow_owner(struct flow_key *key, bool opens, __u32 now, __be16 *own)
{
	__u8 class = class_of_key(key), rule = port_rule(class, key->local_port);
	struct contest *c;
	__u32 owners;

	*own = key->local_port;
	if (opens)
		return rule;
	c = contested_find(key, 0, now);
	if (c) {
		c->seen = now;
		*own = c->port;
		return c->side;
	}
	owners = owners_of(key, now);
	/*
	 * Both use the port. The side that came second did so because the rules gave it a connection from outside,
	 * and these are written down as contested; so this one is the first side's, which the rules don't favour.
	 */
	if (owners == (1 << SIDE_GUEST | 1 << SIDE_POD))
		return rule == SIDE_GUEST ? SIDE_POD : SIDE_GUEST;
	if (owners)
		return owners == 1 << SIDE_GUEST ? SIDE_GUEST : SIDE_POD;
	/* Nobody asked: an answer to a ping that the guest didn't send is noise for the pod's stack to ignore. */
	return class == CLASS_ICMP && key->local_port ? SIDE_POD : rule;
}

/*
 * The slow path of what arrives: side << 16 | its own port. Caches what belongs to the guest, and what the rules
 * give to the pod on a port that the guest has used, so that the pod's answer keeps that port.
 */
__noinline int flow_resolve_inward(struct flow_key *key, __u32 opens, __u32 now)
{
	if (!key)
		return 0;

	__u8 class = class_of_key(key);
	__be16 own;
	__u8 side = flow_owner(key, opens, now, &own);

	if (side == SIDE_GUEST || owners_of(key, now) & 1 << SIDE_GUEST)
		flow_store(key, side, own, epoch_of(class, now) - 1, now);
	return side << 16 | own;
}
