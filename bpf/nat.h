/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Rewrites addresses, one port and the TTL of a packet, and the checksums over them.
 *
 * The transport checksum is changed by replace_l4_csum, which knows what the field holds (skb.h, xdp.h): a whole
 * checksum or, with CHECKSUM_PARTIAL, only the pseudo-header's. The address part goes in with
 * BPF_F_PSEUDO_HDR as one precomputed difference, the same for both families; a port is not part of the
 * pseudo-header and must go in without. The IPv4 header is changed in place (RFC 1624): its words sum up as
 * before, so skb->csum stays right. All offsets are counted from the Ethernet header.
 */
#pragma once

#include "checksum.h"
#include "config.h"
#include "packet.h"

enum which_port {
	SOURCE_PORT = 0, /* both are offsets in 16-bit words */
	DESTINATION_PORT = 1,
};

struct rewrite {
	union addr src, dst;
	__u32 difference; /* of src and dst together, folded and in network order, as struct family has it */
	__be16 old_port, new_port;
	__u8 which; /* enum which_port */
	__u8 routed; /* count down the TTL */
	__u16 pad;
};

/* Offset of the checksum within the transport header, 0 for protocols whose checksum we don't know. */
static __always_inline __u32 l4_csum_offset(const struct packet *p)
{
	switch (p->class) {
	case CLASS_TCP:
		return __builtin_offsetof(struct tcphdr, check);
	case CLASS_UDP:
		return __builtin_offsetof(struct udphdr, check);
	case CLASS_ICMP:
		return __builtin_offsetof(struct icmp_header, checksum);
	}
	return 0;
}

/* A UDP checksum of 0 means none, and stays. */
static __always_inline __u64 l4_csum_flags(const struct packet *p)
{
	return p->class == CLASS_UDP ? BPF_F_MARK_MANGLED_0 : 0;
}

/* Whether the transport checksum covers the addresses: all but ICMPv4's. */
static __always_inline bool has_pseudo_header(const struct packet *p)
{
	return p->class == CLASS_TCP || p->class == CLASS_UDP || (p->class == CLASS_ICMP && p->ipv6);
}

/* Where the port lies within the transport header; ICMP's is the id. */
static __always_inline __u32 port_offset(const struct packet *p, const struct rewrite *r)
{
	if (p->class == CLASS_ICMP)
		return __builtin_offsetof(struct icmp_header, id);
	return r->which * sizeof(__be16);
}

static __always_inline int rewrite_port(context *ctx, const struct packet *p, const struct rewrite *r)
{
	__u32 csum = p->l4 + l4_csum_offset(p);

	if (replace_l4_csum(ctx, csum, r->old_port, r->new_port, l4_csum_flags(p) | sizeof(__be16)))
		return DROP_MALFORMED;
	if (store_bytes(ctx, p->l4 + port_offset(p, r), &r->new_port, sizeof(__be16)))
		return DROP_MALFORMED;
	return DROP_NONE;
}

/* Fails only on packets whose headers end early; nothing is half-written then that would be sent. */
static __always_inline int rewrite(context *ctx, const struct packet *p, const struct rewrite *r)
{
	if (p->frag != FRAG_LATER && r->difference && has_pseudo_header(p)) {
		__u64 flags = BPF_F_PSEUDO_HDR | l4_csum_flags(p);

		if (replace_l4_csum(ctx, p->l4 + l4_csum_offset(p), 0, r->difference, flags))
			return DROP_MALFORMED;
	}
	if (r->old_port != r->new_port) { /* never in later fragments, which have none */
		int err = rewrite_port(ctx, p, r);

		if (err)
			return err;
	}
	if (p->ipv6) {
		struct ipv6hdr *ip = data_of(ctx) + ETH_HLEN;

		if ((void *)(ip + 1) > end_of(ctx))
			return DROP_MALFORMED;
		__builtin_memcpy(&ip->saddr, &r->src, sizeof(r->src));
		__builtin_memcpy(&ip->daddr, &r->dst, sizeof(r->dst));
		ip->hop_limit -= r->routed;
	} else {
		struct iphdr *ip = data_of(ctx) + ETH_HLEN;
		__u32 sum;

		if ((void *)(ip + 1) > end_of(ctx))
			return DROP_MALFORMED;
		/* One less in the TTL, the high byte of its 16-bit word, is one more in the checksum's. */
		sum = (__u16)~ip->check + r->difference + (r->routed ? bpf_htons(0xfeff) : 0);
		ip->check = ~csum_fold(sum);
		ip->saddr = r->src.word[0];
		ip->daddr = r->dst.word[0];
		ip->ttl -= r->routed;
	}
	return DROP_NONE;
}

/* The same for all but the two ways that most packets take: a function of its own, so that it is verified only once. */
__noinline int rewrite_rare(context *ctx, const struct packet *p, const struct rewrite *r)
{
	if (!p || !r)
		return DROP_MALFORMED;
	return rewrite(ctx, p, r);
}
