/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest writes to its gateway: to the pod's stack, unless it answers a pod process that came by loopback
 * (lo_out.h). The flow table knows; after an eviction the pod's own sockets do.
 */
#pragma once

/*
 * The flow table forgot: is it an answer to a pod process all the same? Only on ports that the rules give to the
 * guest, or it could speak into connections between pod processes.
 */
__noinline int loopback_restore(struct __sk_buff *skb, struct flow_key *key, __u32 now)
{
	if (!key)
		return false;
	union addr lo = constant(&family_of(key->ipv6)->loopback);

	if (port_rule(key->class, key->local_port) != SIDE_GUEST ||
	    !socket_holds(skb, key->proto, key->ipv6, &lo, key->local_port, &lo, key->remote_port, false))
		return false;
	flow_store(key, SIDE_LOOPBACK, key->local_port, 0, now);
	return true;
}

static __always_inline bool loopback_known(const struct flow_key *key, __u32 now)
{
	__u64 tuple;
	struct flow *flow = flow_find(key, &tuple);

	return flow && side_of(tuple) == SIDE_LOOPBACK && flow_fresh(flow, key->class, now);
}

__noinline int loopback_return(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return SHOT;

	const volatile struct family *f = family_of(p->ipv6);
	struct rewrite r = {
		.src = constant(&f->loopback), .dst = constant(&f->loopback), .difference = f->to_lo};
	__u32 now = clock_now();
	struct flow_key key;
	int err;

	if (p->frag == FRAG_LATER) {
		if (fragment_side(p) != SIDE_LOOPBACK)
			return PASS;
	} else if (p->icmp_error) {
		struct packet q;

		err = parse_quoted(skb, p, &q);
		if (err)
			return drop(skb, DIR_TRANSMIT, err);
		key_inward(&key, &q);
		if (!loopback_known(&key, now)) /* nor is any whose source isn't the gateway */
			return PASS;
		err = rewrite_quoted(skb, p, &q, &r);
		if (err)
			return drop(skb, DIR_TRANSMIT, err);
	} else {
		struct flow *flow;
		__u64 tuple;

		if (p->opens)
			return PASS;
		key_outward(&key, p);
		if (!loopback_known(&key, now) && !loopback_restore(skb, &key, now))
			return PASS;
		flow = flow_find(&key, &tuple);
		if (flow)
			flow_touch(flow, DIR_TRANSMIT, skb->len, now);
		fragment_remember(p, SIDE_LOOPBACK);
	}
	err = rewrite_rare(skb, p, &r);
	return err ? drop(skb, DIR_TRANSMIT, err) : to_loopback(skb);
}
