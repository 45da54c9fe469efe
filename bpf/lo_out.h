/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * tapir_lo_out: a pod process writes to 127.0.0.1 or ::1 (kubectl port-forward does). What the port rules give to
 * the guest goes there and comes from the gateway, so that the guest can answer; loopback_return.h brings it back.
 * Limit: a pod process that talks to the guest's private address directly, from the very port that another one
 * uses over loopback to the same guest port, gets that one's answers.
 */
#pragma once

/* The pod's stack complains about what the guest sent to a loopback client. */
__noinline int lo_out_error(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return SHOT;

	const volatile struct family *f = family_of(p->ipv6);
	struct rewrite r = {.src = constant(&f->guest), .dst = constant(&f->gateway), .difference = f->from_lo};
	struct flow_key key;
	struct packet q;

	if (parse_quoted(skb, p, &q) || !addr_equal(&q.src, &f->loopback, p->ipv6) ||
	    !addr_equal(&q.dst, &f->loopback, p->ipv6))
		return PASS;
	key_outward(&key, &q);
	key.remote = constant(&f->gateway);
	if (!loopback_known(&key, clock_now()))
		return PASS;
	if (rewrite_quoted(skb, p, &q, &r))
		return drop(skb, DIR_RECEIVE, DROP_MALFORMED);
	r.src = constant(&f->gateway);
	r.dst = constant(&f->guest);
	if (rewrite_rare(skb, p, &r))
		return drop(skb, DIR_RECEIVE, DROP_MALFORMED);
	return to_guest(skb);
}

/* p is from a loopback address to one. A function of its own, so that it is verified once for both families. */
__noinline int lo_out_own(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return SHOT;

	const volatile struct family *f = family_of(p->ipv6);
	struct rewrite r = {.src = constant(&f->gateway), .dst = constant(&f->guest), .difference = f->from_lo};
	__u32 now = clock_now();
	struct flow_key key;
	struct flow *flow;
	__u64 tuple;
	int err;

	if (p->frag == FRAG_LATER) {
		if (fragment_side(p) != SIDE_LOOPBACK)
			return PASS;
	} else {
		key_inward(&key, p);
		key.remote = constant(&f->gateway);
		flow = flow_find(&key, &tuple);
		if (port_rule(p->class, p->dport) != SIDE_GUEST) {
			/* Between pod processes. Its answers must pass too when the client's port is declared. */
			if (p->opens && port_rule(p->class, p->sport) == SIDE_GUEST) {
				key.remote_port = p->dport;
				key.local_port = p->sport;
				flow_store(&key, SIDE_POD, p->sport, 0, now);
			}
			return PASS;
		}
		if (flow && side_of(tuple) == SIDE_POD && !p->opens)
			return PASS;
		if (!flow || side_of(tuple) != SIDE_LOOPBACK) {
			flow_store(&key, SIDE_LOOPBACK, p->dport, 0, now);
			flow = flow_find(&key, &tuple);
		}
		if (flow)
			flow_touch(flow, DIR_RECEIVE, skb->len, now);
		fragment_remember(p, SIDE_LOOPBACK);
	}
	err = rewrite_rare(skb, p, &r);
	return err ? drop(skb, DIR_RECEIVE, err) : to_guest(skb);
}

static __always_inline int lo_out_ip(struct __sk_buff *skb, const bool ipv6)
{
	const volatile struct family *f = family_of(ipv6);
	struct packet p;

	if (parse(skb, &p, ETH_HLEN, ipv6, false) || !addr_equal(&p.dst, &f->loopback, ipv6) ||
	    !addr_equal(&p.src, &f->loopback, ipv6))
		return PASS;
	return p.icmp_error ? lo_out_error(skb, &p) : lo_out_own(skb, &p);
}

SEC("tc")
int tapir_lo_out(struct __sk_buff *skb)
{
	if (has_ipv4 && skb->protocol == bpf_htons(ETH_P_IP))
		return lo_out_ip(skb, false);
	if (has_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6))
		return lo_out_ip(skb, true);
	return PASS;
}
