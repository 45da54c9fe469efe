/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The packet that an ICMP error quotes: its sender must recognise it, so what the NAT did to it is undone in the
 * quotation too (RFC 5508): addresses, port, IPv4 header checksum and, where it was quoted, transport checksum.
 * The ICMP checksum covers all of that; only changes that don't cancel out are told to it.
 */
#pragma once

#include "nat.h"

__noinline int rewrite_quoted(struct __sk_buff *skb, const struct packet *outer, const struct packet *q,
			      const struct rewrite *r)
{
	if (!outer || !q || !r)
		return DROP_MALFORMED;

	__u32 icmp_csum = outer->l4 + __builtin_offsetof(struct icmp_header, checksum);
	__u32 ip_off = outer->l4 + sizeof(struct icmp_header), csum = q->l4 + l4_csum_offset(q);
	bool new_port = q->frag != FRAG_LATER && r->old_port != r->new_port;
	__be16 was;

	/* TCP's checksum lies past the 8 bytes that must be quoted: it may be missing. */
	if (q->class != CLASS_OTHER && q->frag != FRAG_LATER && !bpf_skb_load_bytes(skb, csum, &was, sizeof(was)) &&
	    !(q->class == CLASS_UDP && !was)) {
		__u32 sum = (__u16)~was;
		__be16 now;

		if (has_pseudo_header(q))
			sum += r->difference;
		if (new_port)
			sum += (__u16)~r->old_port + (__u32)r->new_port;
		now = ~csum_fold(sum);
		if (bpf_skb_store_bytes(skb, csum, &now, sizeof(now), 0) ||
		    bpf_l4_csum_replace(skb, icmp_csum, was, now, sizeof(now)))
			return DROP_MALFORMED;
	}
	if (new_port) {
		if (bpf_skb_store_bytes(skb, q->l4 + port_offset(q, r), &r->new_port, sizeof(__be16), 0) ||
		    bpf_l4_csum_replace(skb, icmp_csum, r->old_port, r->new_port, sizeof(__be16)))
			return DROP_MALFORMED;
	}
	if (q->ipv6) {
		if (bpf_skb_store_bytes(skb, ip_off + __builtin_offsetof(struct ipv6hdr, saddr), &r->src, 2 * sizeof(r->src), 0) ||
		    (r->difference && bpf_l4_csum_replace(skb, icmp_csum, 0, r->difference, 0)))
			return DROP_MALFORMED;
	} else {
		__be32 pair[2] = {r->src.word[0], r->dst.word[0]};
		__u32 check = ip_off + __builtin_offsetof(struct iphdr, check);
		__be16 now;

		if (bpf_skb_load_bytes(skb, check, &was, sizeof(was)))
			return DROP_MALFORMED;
		now = ~csum_fold((__u16)~was + r->difference);
		if (bpf_skb_store_bytes(skb, check, &now, sizeof(now), 0) ||
		    bpf_skb_store_bytes(skb, ip_off + __builtin_offsetof(struct iphdr, saddr), pair, sizeof(pair), 0))
			return DROP_MALFORMED;
	}
	return DROP_NONE;
}
