/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* tapir_nic_in: a frame from outside. It goes to the guest, or on to the pod's stack. */
#pragma once

/* Somebody outside complains about a packet that left from the pod's address: the guest's or the pod's own? */
__noinline int nic_in_error(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return SHOT;

	const volatile struct family *f = family_of(p->ipv6);
	struct rewrite r = {.which = SOURCE_PORT};
	__u32 now = clock_now(), side;
	struct flow_key key;
	struct flow *flow;
	struct packet q;
	__u64 tuple;
	int err = parse_quoted(skb, p, &q);

	if (err)
		return drop(skb, DIR_RECEIVE, err);
	if (!addr_equal(&q.src, &f->pod, p->ipv6))
		return PASS;
	key_outward(&key, &q);
	flow = flow_find(&key, &tuple);
	r.old_port = q.sport;
	if (flow && flow_fresh(flow, q.class, now)) {
		side = side_of(tuple);
		r.new_port = port_of(tuple);
	} else {
		side = flow_owner(skb, &key, false, now, &r.new_port);
	}
	r.src = q.src;
	r.dst = q.dst;
	if (side == SIDE_GUEST) {
		r.src = constant(&f->guest);
		r.difference = f->to_guest;
	} else if (r.new_port == r.old_port) {
		return PASS;
	}
	if (side == SIDE_GUEST && p->ttl <= 1)
		return drop(skb, DIR_RECEIVE, DROP_TTL_EXCEEDED);
	err = rewrite_quoted(skb, p, &q, &r);
	if (!err && side == SIDE_GUEST) {
		r = (struct rewrite){
			.src = p->src, .dst = constant(&f->guest), .difference = f->to_guest, .routed = true};
		err = rewrite_rare(skb, p, &r);
	}
	if (err)
		return drop(skb, DIR_RECEIVE, err);
	return side == SIDE_GUEST ? to_guest(skb) : PASS;
}

/* No ports in sight: the first fragment's decision holds. */
__noinline int nic_in_fragment(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return SHOT;

	const volatile struct family *f = family_of(p->ipv6);
	struct rewrite r = {.src = p->src, .dst = constant(&f->guest), .difference = f->to_guest, .routed = true};
	__u32 side = fragment_side(p);
	int err;

	if (side == SIDE_POD)
		return PASS;
	if (p->ttl <= 1)
		return drop(skb, DIR_RECEIVE, DROP_TTL_EXCEEDED);
	err = rewrite_rare(skb, p, &r);
	if (err)
		return drop(skb, DIR_RECEIVE, err);
	if (side == SIDE_GUEST)
		return to_guest(skb);
	/* It overtook its first fragment: the guest gets a copy, the pod's stack the original. */
	count_event(EVENT_FRAGMENT_BOTH);
	if (address_to_guest(skb))
		bpf_clone_redirect(skb, tap_ifindex, 0);
	r = (struct rewrite){.src = p->src, .dst = constant(&f->pod), .difference = f->to_pod};
	err = rewrite_rare(skb, p, &r);
	return err ? drop(skb, DIR_RECEIVE, err) : PASS;
}

/* All that nic_in_ip leaves: pings, other protocols, first fragments, new flows, changed ports, the pod's own packets. */
__noinline int nic_in_rare(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return SHOT;

	const volatile struct family *f = family_of(p->ipv6);
	struct rewrite r = {.src = p->src, .old_port = p->dport, .which = DESTINATION_PORT};
	__u32 now = clock_now(), side;
	struct flow_key key;
	struct flow *flow;
	__u64 tuple;
	int err;

	/* Neighbour discovery and the like */
	if (p->class == CLASS_ICMP && !icmp_is_query(p->icmp_type, p->ipv6) && !icmp_is_answer(p->icmp_type, p->ipv6))
		return PASS;
	key_inward(&key, p);
	flow = hit_inward(&key, p, now, &tuple);
	if (flow) {
		side = side_of(tuple);
		r.new_port = port_of(tuple);
	} else {
		__u32 resolved = flow_resolve_inward(skb, &key, p->opens, now);

		side = resolved >> 16;
		r.new_port = resolved;
		flow = flow_find(&key, &tuple);
	}
	if (flow)
		flow_touch(flow, DIR_RECEIVE, skb->len, now);
	fragment_remember(p, side);
	if (side != SIDE_GUEST) {
		if (r.new_port == p->dport)
			return PASS;
		r.dst = p->dst;
		err = rewrite_rare(skb, p, &r);
		return err ? drop(skb, DIR_RECEIVE, err) : PASS;
	}
	if (p->ttl <= 1)
		return reply_error(skb, p, DROP_TTL_EXCEEDED, DIR_RECEIVE);
	if (!fits(skb, p))
		return reply_error(skb, p, DROP_TOO_BIG, DIR_RECEIVE);
	r.dst = constant(&f->guest);
	r.difference = f->to_guest;
	r.routed = true;
	err = rewrite_rare(skb, p, &r);
	return err ? drop(skb, DIR_RECEIVE, err) : to_guest(skb);
}

static __always_inline int nic_in_ip(struct __sk_buff *skb, const bool ipv6)
{
	const volatile struct family *f = family_of(ipv6);
	struct rewrite r = {.dst = constant(&f->guest), .difference = f->to_guest, .routed = true};
	__u32 now = clock_now();
	struct flow_key key;
	struct flow *flow;
	struct packet p;
	__u64 tuple;
	int err = parse(skb, &p, ETH_HLEN, ipv6, false);

	if (err)
		return drop(skb, DIR_RECEIVE, err);
	if (!addr_equal(&p.dst, &f->pod, ipv6))
		return addr_in(&p.dst, f, ipv6) ? drop(skb, DIR_RECEIVE, DROP_PRIVATE_ADDRESS) : PASS;
	/* Else it could pass for the gateway, and its flow for one that came by loopback. */
	if (addr_in(&p.src, f, ipv6))
		return drop(skb, DIR_RECEIVE, DROP_PRIVATE_ADDRESS);
	/* Sources that nobody can have: the pod's stack knows them, and drops them. */
	if (is_nowhere(&p.src, ipv6) || is_group(&p.src, ipv6) || addr_equal(&p.src, &f->pod, ipv6))
		return PASS;
	if (p.frag == FRAG_LATER)
		return nic_in_fragment(skb, &p);
	if (p.icmp_error)
		return nic_in_error(skb, &p);
	if (!is_plain(&p) || p.ttl <= 1 || !fits(skb, &p))
		return nic_in_rare(skb, &p);
	/* The fast path: a flow that the table knows as the guest's, on the port that is its own. */
	key_inward(&key, &p);
	flow = hit_inward(&key, &p, now, &tuple);
	if (!flow || side_of(tuple) != SIDE_GUEST || port_of(tuple) != p.dport)
		return nic_in_rare(skb, &p);
	flow_touch(flow, DIR_RECEIVE, skb->len, now);
	r.src = p.src;
	err = rewrite(skb, &p, &r);
	return err ? drop(skb, DIR_RECEIVE, err) : to_guest(skb);
}

SEC("tc")
int tapir_nic_in(struct __sk_buff *skb)
{
	/* Broadcast, multicast, another VLAN's and what is for another host is none of ours. */
	if (skb->pkt_type != PACKET_HOST || skb->vlan_present)
		return PASS;
	if (has_ipv4 && skb->protocol == bpf_htons(ETH_P_IP))
		return nic_in_ip(skb, false);
	if (has_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6))
		return nic_in_ip(skb, true);
	return PASS;
}
