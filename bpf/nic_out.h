/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * tapir_nic_out: a frame leaves by the pod NIC. The guest's have been dealt with; what the pod's own stack sends
 * marks its ports as the pod's, and where the guest has the port already, gets another one.
 */
#pragma once

/* p comes from the pod's address. A function of its own, so that it is verified once for both families. */
__noinline int nic_out_own(struct __sk_buff *skb, const struct packet *p)
{
	if (!p)
		return SHOT;

	struct rewrite r = {.src = p->src, .dst = p->dst, .old_port = p->sport};
	__u32 now = clock_now();
	struct flow_key key;
	struct flow *flow;
	__u64 tuple;
	int wire, err;

	/* Answers to pings and ICMP errors follow from what came in; they claim nothing. */
	if (p->frag == FRAG_LATER || (p->class == CLASS_ICMP && !p->opens))
		return PASS;
	key_outward(&key, p);
	flow = hit_outward(&key, p, SIDE_POD, now);
	if (flow) {
		flow_touch(flow, DIR_TRANSMIT, skb->len, now);
		return PASS;
	}
	wire = p->resets ? flow_wire_port(&key, SIDE_POD, now) :
			   flow_resolve_outward(&key, SIDE_POD, intent_of(p), now);
	if (wire < 0)
		return drop(skb, DIR_TRANSMIT, DROP_NO_FREE_PORT);
	flow = flow_find(&key, &tuple);
	if (flow)
		flow_touch(flow, DIR_TRANSMIT, skb->len, now);
	if (wire == p->sport)
		return PASS;
	r.new_port = wire;
	err = rewrite_rare(skb, p, &r);
	return err ? drop(skb, DIR_TRANSMIT, err) : PASS;
}

static __always_inline int nic_out_ip(struct __sk_buff *skb, const bool ipv6)
{
	struct packet p;

	if (parse(skb, &p, ETH_HLEN, ipv6, false) || !addr_equal(&p.src, &family_of(ipv6)->pod, ipv6))
		return PASS;
	return nic_out_own(skb, &p);
}

SEC("tc")
int tapir_nic_out(struct __sk_buff *skb)
{
	if (skb->ingress_ifindex == tap_ifindex)
		return PASS;
	if (has_ipv4 && skb->protocol == bpf_htons(ETH_P_IP))
		return nic_out_ip(skb, false);
	if (has_ipv6 && skb->protocol == bpf_htons(ETH_P_IPV6))
		return nic_out_ip(skb, true);
	return PASS;
}
