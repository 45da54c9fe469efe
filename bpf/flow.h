/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the flow table doesn't know (hit.h) is decided here, from (in this order) contested tuples, port ownership, the
 * pod's sockets and the port rules, and cached.
 */
#pragma once

#include "contested.h"
#include "hit.h"
#include "ports.h"
#include "socket.h"

#define PORT_RETRIES 32
#define PORT_MIN 1024
#define UNCLAIMED(epoch) ((epoch) - 1) /* the owner's next packet claims the port, see owners.h */

__noinline int flow_store(const struct flow_key *key, __u32 side, __u32 own, __u32 epoch, __u32 now)
{
	if (!key)
		return 0;

	struct flow entry = {.tuple = tuple_owned(key, side, own, epoch), .remote = key->remote, .seen = now, .made = now};
	__u32 slot = flow_slot(key);
	struct flow *known = flow_at(slot);
	__u64 tuple = known ? flow_read(known, key, tuple_of(key), TUPLE_KEY) : 0;

	if (!tuple)
		slot = flow_room(flow_home(key), now);
	if (known && side_of(tuple) == side && port_of(tuple) == (__be16)own) { /* side_of(0) is nobody's */
		__sync_val_compare_and_swap(&known->tuple, tuple, entry.tuple); /* the epoch is all that differs */
		known->seen = now;
	} else {
		flow_put(key, slot, &entry);
	}
	return 0;
}

/* Tries one wire port at random: takes it for the side if neither uses it. 0: it is taken. */
__noinline int port_try(struct flow_key *key, __u32 side, __u16 own, __u32 now)
{
	if (!key)
		return 0;

	__u32 n = PORT_MIN + (((__u64)bpf_get_prandom_u32() * (65536 - PORT_MIN)) >> 32);
	__u8 class = key->class;
	struct settings *s = settings_of();
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

/*
 * Finds a wire port that neither side uses and remembers the tuple. 0: none was found. A function of its own, or the
 * verifier would follow the caller from each of the tries.
 */
__noinline int port_allocate(struct flow_key *key, __u32 side, __u16 own, __u32 now)
{
	if (!key)
		return 0;
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
	if (contested_find(key, 0, now)) /* a contested tuple is on another port than its owner's */
		return true;
	return owners_of(key, now) & 1 << (side == SIDE_GUEST ? SIDE_POD : SIDE_GUEST);
}

/* What a packet says about its sender's part in a flow. */
enum intent {
	INTENT_ANSWER,   /* SYN and ACK: the remote opened the flow, and the rules let it in */
	INTENT_CONTINUE, /* TCP under way: whatever its translation was, it can't be another now */
	INTENT_OPEN,     /* may be the first of its flow */
};

static __always_inline enum intent intent_of(const struct packet *p)
{
	if (p->class == CLASS_ICMP && !p->opens)
		return INTENT_CONTINUE; /* the id is the asker's, and not the answerer's to change */
	if (p->class != CLASS_TCP || p->opens)
		return INTENT_OPEN;
	return p->accepts ? INTENT_ANSWER : INTENT_CONTINUE;
}

/*
 * Chooses the wire port of a flow that may be new; 0 when the tuple is the other side's for certain and there's no
 * other port. A slot may be taken by accident (owners.h): then, when no other port can be had, the own one serves.
 */
static __always_inline __be16 port_choose(struct flow_key *key, __u8 side, __be16 own, __u32 now)
{
	__u64 tuple;
	struct flow *f = flow_find(key, &tuple);
	bool certain = f && side_of(tuple) != side;
	struct contest *c;
	__be16 wire;

	if (f && !certain && port_of(tuple) == own)
		return own; /* the remote opened it */
	wire = port_allocate(key, side, own, now);
	if (wire)
		return wire;
	/* Two CPUs with the same new flow: the other one's translation serves both. */
	key->local_port = own;
	c = contested_find(key, side, now);
	if (c)
		return c->port;
	return certain ? 0 : own;
}

/*
 * The wire port of what proves nothing about its flow and changes nothing: a reset, or a complaint about a packet. -1
 * when the flow is the other side's: it is not this side's to end.
 */
__noinline int flow_wire_port(struct flow_key *key, __u32 side, __u32 now)
{
	struct contest *c;
	struct flow *f;
	__u64 tuple;

	if (!key)
		return -1;
	c = contested_find(key, side, now);
	if (c)
		return c->port;
	f = flow_find(key, &tuple);
	return f && side_of(tuple) != side ? -1 : key->local_port;
}

/*
 * The slow path of what leaves: the wire port for a packet of this side, -1 when there is none. On return key is
 * that of the flow on the wire. The side may keep its port unless the other side has used it towards this remote end.
 */
__noinline int flow_resolve_outward(struct flow_key *key, __u32 side, __u32 intent, __u32 now)
{
	if (!key)
		return -1;

	__u8 class = key->class;
	__be16 own = key->local_port, wire = own;
	struct contest *c = contested_find(key, side, now);
	__u32 epoch = epoch_of(class, now);

	if (c) {
		wire = c->port;
		c->seen = now;
		key->local_port = wire;
		c = contested_find(key, 0, now);
		if (c)
			c->seen = now;
	} else if (intent == INTENT_OPEN && class != CLASS_OTHER && port_taken(key, side, now)) {
		wire = port_choose(key, side, own, now);
		if (!wire && own)
			return -1;
		key->local_port = wire;
	}
	/* Servers' flows follow from the rules: claiming for each of them would only fill the slots. */
	if (intent != INTENT_ANSWER || port_rule(class, wire) != side || owners_of(key, now))
		if (!owner_claim(key, side, now))
			epoch = UNCLAIMED(epoch);
	flow_store(key, side, own, epoch, now);
	return wire;
}

/* Whose a packet on this wire port is, when the flow table does not say; own is that side's port. */
__noinline int flow_owner(struct __sk_buff *skb, struct flow_key *key, __u32 opens, __u32 now, __be16 *own)
{
	if (!key || !own)
		return 0;

	__u8 class = key->class, rule = port_rule(class, key->local_port);
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
	if (owners == 1 << SIDE_POD)
		return SIDE_POD;
	/* A slot may have been taken by accident, or given back after a long silence; the pod's sockets are certain. */
	if (class <= CLASS_UDP && pod_socket(skb, key, owners & 1 << SIDE_POD))
		return SIDE_POD;
	if (owners)
		return SIDE_GUEST;
	/* Nobody asked: an answer to a ping that the guest didn't send is noise for the pod's stack to ignore. */
	return class == CLASS_ICMP && key->local_port ? SIDE_POD : rule;
}

/*
 * The slow path of what arrives: side << 16 | its own port. Caches what belongs to the guest, and what the rules
 * give to the pod on a port that the guest has used, so that the pod's answer keeps that port.
 */
__noinline int flow_resolve_inward(struct __sk_buff *skb, struct flow_key *key, __u32 opens, __u32 now)
{
	if (!key)
		return 0;

	__u8 class = key->class;
	__be16 own;
	__u8 side = flow_owner(skb, key, opens, now, &own);

	if (side == SIDE_GUEST || owners_of(key, now) & 1 << SIDE_GUEST)
		flow_store(key, side, own, UNCLAIMED(epoch_of(class, now)), now);
	return side << 16 | own;
}
