/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * tapir_xdp_tap: a frame from the guest, in the tap's driver. Outside, if it is a datagram that the table knows, and of a
 * flow whose next hop TC has looked up within the last second.
 *
 * What the device can't take is lost, and nobody is told. Hence user space hangs this up only where the pod NIC takes
 * frames from XDP, and where nothing on its egress would miss them.
 */
#pragma once

/* Whether an address is beyond the gateway: neither the pod's nor in the guest's network, nobody's nor a group's. */
static __always_inline bool is_outside(const union addr *a, const volatile struct family *f, const bool ipv6)
{
	return !addr_equal(a, &f->pod, ipv6) && !addr_in(a, f, ipv6) && !is_nowhere(a, ipv6) && !is_group(a, ipv6) &&
	       !(ipv6 && is_link_local(a));
}

static __always_inline int xdp_tap_ip(context *ctx, const bool ipv6)
{
	const volatile struct family *f = family_of(ipv6);
	__u32 now = clock_now();
	struct rewrite r;
	struct flow_key key;
	struct flow *flow;
	struct packet p;
	__u64 hop;

	if (!read_plain(ctx, &p, ipv6) || !addr_equal(&p.src, &f->guest, ipv6) || !is_outside(&p.dst, f, ipv6))
		return XDP_PASS;
	key_outward(&key, &p);
	flow = hit_outward(&key, &p, SIDE_GUEST, now);
	if (!flow)
		return XDP_PASS;
	hop = flow->next_hop;
	if (!hop_fresh(hop, now) || !address_to_hop(ctx, hop))
		return XDP_PASS;
	r = (struct rewrite){.src = constant(&f->pod), .dst = p.dst, .difference = f->to_pod, .routed = true};
	if (rewrite(ctx, &p, &r))
		return XDP_ABORTED;
	flow_touch(flow, DIR_TRANSMIT, length_of(ctx), now);
	count(DIR_TRANSMIT, length_of(ctx));
	return bpf_redirect(nic_ifindex, 0);
}

SEC("xdp.frags")
int tapir_xdp_tap(struct xdp_md *ctx)
{
	struct ethhdr *eth = data_of(ctx);
	__u64 mac;

	if ((void *)(eth + 1) > end_of(ctx) || mac_of(eth->h_dest) != mac_of(gateway_mac))
		return XDP_PASS;
	mac = guest_mac();
	if (!mac || mac_of(eth->h_source) != mac)
		return XDP_PASS;
	if (has_ipv4 && eth->h_proto == bpf_htons(ETH_P_IP))
		return xdp_tap_ip(ctx, false);
	if (has_ipv6 && eth->h_proto == bpf_htons(ETH_P_IPV6))
		return xdp_tap_ip(ctx, true);
	return XDP_PASS;
}
