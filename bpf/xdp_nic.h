/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* tapir_xdp_nic: a frame from outside, in the pod NIC's driver. To the guest, if it is a datagram that the table knows. */
#pragma once

static __always_inline int xdp_nic_ip(context *ctx, const bool ipv6)
{
	const volatile struct family *f = family_of(ipv6);
	__u32 now = clock_now();
	struct rewrite r;
	struct flow_key key;
	struct flow *flow;
	struct packet p;
	__u64 tuple;

	if (!read_plain(ctx, &p, ipv6) || !addr_equal(&p.dst, &f->pod, ipv6) || addr_in(&p.src, f, ipv6) ||
	    is_nowhere(&p.src, ipv6) || is_group(&p.src, ipv6) || addr_equal(&p.src, &f->pod, ipv6))
		return XDP_PASS;
	key_inward(&key, &p);
	flow = hit_inward(&key, &p, now, &tuple);
	if (!flow || side_of(tuple) != SIDE_GUEST || !address_to_guest(ctx))
		return XDP_PASS;
	r = (struct rewrite){.src = p.src, .dst = constant(&f->guest), .difference = f->to_guest,
			     .old_port = p.dport, .new_port = port_of(tuple), .which = DESTINATION_PORT, .routed = true};
	if (rewrite(ctx, &p, &r))
		return XDP_ABORTED;
	flow_touch(flow, DIR_RECEIVE, length_of(ctx), now);
	count(DIR_RECEIVE, length_of(ctx));
	return bpf_redirect(tap_ifindex, 0);
}

SEC("xdp.frags")
int tapir_xdp_nic(struct xdp_md *ctx)
{
	struct ethhdr *eth = data_of(ctx);

	if ((void *)(eth + 1) > end_of(ctx) || mac_of(eth->h_dest) != nic_mac)
		return XDP_PASS;
	if (has_ipv4 && eth->h_proto == bpf_htons(ETH_P_IP))
		return xdp_nic_ip(ctx, false);
	if (has_ipv6 && eth->h_proto == bpf_htons(ETH_P_IPV6))
		return xdp_nic_ip(ctx, true);
	return XDP_PASS;
}
