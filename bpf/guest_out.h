/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A guest's packet to the world beyond its gateway. */
#pragma once

/* The guest complains about a packet that it got from outside; the quotation is what the guest saw. */
__noinline int guest_out_error(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return SHOT;

	const volatile struct family *f = family_of(p->ipv6);
	struct rewrite r = {.dst = constant(&f->pod), .difference = f->to_pod, .which = DESTINATION_PORT};
	struct flow_key key;
	struct packet q;
	int err = parse_quoted(skb, p, &q), wire;

	if (err || !addr_equal(&q.dst, &f->guest, p->ipv6))
		return drop(skb, DIR_TRANSMIT, DROP_MALFORMED);
	r.src = q.src;
	key_inward(&key, &q);
	wire = flow_wire_port(&key, SIDE_GUEST, clock_now());
	if (wire < 0)
		return drop(skb, DIR_TRANSMIT, DROP_NO_FREE_PORT);
	r.old_port = q.dport;
	r.new_port = wire;
	err = rewrite_quoted(skb, p, &q, &r);
	if (err)
		return drop(skb, DIR_TRANSMIT, err);
	r = (struct rewrite){.src = constant(&f->pod), .dst = p->dst, .difference = f->to_pod, .routed = true};
	err = rewrite_rare(skb, p, &r);
	return err ? drop(skb, DIR_TRANSMIT, err) : to_outside(skb, p, NULL, 0);
}

/* All that guest_out leaves: pings, other protocols, fragments, new flows and changed ports, what gets an error. */
__noinline int guest_out_rare(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return SHOT;

	const volatile struct family *f = family_of(p->ipv6);
	struct rewrite r = {.src = constant(&f->pod), .dst = p->dst, .difference = f->to_pod, .routed = true};
	struct flow_key key;
	struct flow *flow = NULL;
	__u32 now = clock_now();
	__u64 tuple;
	int err;

	if (p->ttl <= 1)
		return reply_error(skb, p, DROP_TTL_EXCEEDED, DIR_TRANSMIT);
	if (!fits(skb, p))
		return reply_error(skb, p, DROP_TOO_BIG, DIR_TRANSMIT);
	if (p->icmp_error)
		return guest_out_error(skb, p);
	if (p->class == CLASS_ICMP && p->frag != FRAG_LATER && !icmp_is_query(p->icmp_type, p->ipv6) &&
	    !icmp_is_answer(p->icmp_type, p->ipv6))
		return drop(skb, DIR_TRANSMIT, DROP_ICMP_TYPE);
	if (p->frag != FRAG_LATER) {
		key_outward(&key, p);
		flow = hit_outward(&key, p, SIDE_GUEST, now);
		if (!flow) {
			int wire = p->resets ? flow_wire_port(&key, SIDE_GUEST, now) :
					       flow_resolve_outward(&key, SIDE_GUEST, intent_of(p), now);

			if (wire < 0)
				return drop(skb, DIR_TRANSMIT, DROP_NO_FREE_PORT);
			r.old_port = p->sport;
			r.new_port = wire;
			flow = flow_find(&key, &tuple);
		}
		if (flow)
			flow_touch(flow, DIR_TRANSMIT, skb->len, now);
	}
	err = rewrite_rare(skb, p, &r);
	return err ? drop(skb, DIR_TRANSMIT, err) : to_outside(skb, p, flow, now);
}

/* The fast path: a segment or datagram of a flow that the table knows as the guest's, on the port that is its own. */
static __always_inline int guest_out(struct __sk_buff *skb, const struct packet *p, const volatile struct family *f)
{
	struct rewrite r = {.src = constant(&f->pod), .dst = p->dst, .difference = f->to_pod, .routed = true};
	__u32 now = clock_now();
	struct flow_key key;
	struct flow *flow;
	int err;

	if (!is_plain(p) || p->ttl <= 1 || !fits(skb, p))
		return guest_out_rare(skb, p);
	key_outward(&key, p);
	flow = hit_outward(&key, p, SIDE_GUEST, now);
	if (!flow)
		return guest_out_rare(skb, p);
	flow_touch(flow, DIR_TRANSMIT, skb->len, now);
	err = rewrite(skb, p, &r);
	return err ? drop(skb, DIR_TRANSMIT, err) : to_outside(skb, p, flow, now);
}
