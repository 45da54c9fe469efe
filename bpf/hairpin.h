/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest writes to its own pod address. The packet turns round with both addresses swapped over to the other
 * view: guest -> pod becomes pod -> guest, ports kept. An answer is turned by the same rule, so there is no state,
 * and since the sum of the addresses stays, so do the checksums. Undeclared ports are the pod's stack's, which
 * answers the guest directly over the tap.
 */
#pragma once

static __always_inline bool hairpin_is_guests(const struct packet *p)
{
	return port_rule(p->class, p->dport) == SIDE_GUEST ||
	       (!p->opens && port_rule(p->class, p->sport) == SIDE_GUEST);
}

__noinline int hairpin(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return SHOT;

	const volatile struct family *f = family_of(p->ipv6);
	struct rewrite r = {.src = constant(&f->guest), .dst = constant(&f->pod)};
	int err;

	if (p->icmp_error) {
		struct packet q;

		err = parse_quoted(skb, p, &q);
		if (err)
			return drop(skb, DIR_TRANSMIT, err);
		if (!addr_equal(&q.src, &f->pod, p->ipv6) || !addr_equal(&q.dst, &f->guest, p->ipv6))
			return PASS;
		err = rewrite_quoted(skb, p, &q, &r);
		if (err)
			return drop(skb, DIR_TRANSMIT, err);
	} else {
		__u32 side;

		if (p->frag == FRAG_LATER)
			side = fragment_side(p);
		else
			side = hairpin_is_guests(p) ? SIDE_GUEST : SIDE_POD;
		fragment_remember(p, side);
		if (side != SIDE_GUEST)
			return PASS;
	}
	if (p->ttl <= 1)
		return reply_error(skb, p, DROP_TTL_EXCEEDED, DIR_TRANSMIT);
	r = (struct rewrite){.src = constant(&f->pod), .dst = constant(&f->guest), .routed = true};
	err = rewrite_rare(skb, p, &r);
	if (err)
		return drop(skb, DIR_TRANSMIT, err);
	count(DIR_TRANSMIT, skb->len);
	return to_guest(skb);
}
