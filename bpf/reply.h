/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Turns a packet that can't go on into the ICMP error that a router sends back (RFC 1812, RFC 4443): time exceeded,
 * or packet too big. The frame is cut to what is quoted, moved down by an IP and an ICMP header and sent back
 * where it came from. Errors are never answered by errors, nor are fragments after the first, and
 * a NIC makes 64 errors per clock unit and direction at most: it can't be used to flood a forged source.
 *
 * A packet whose checksum is still to be computed (CHECKSUM_PARTIAL) keeps that mark in the quotation, and a NIC may
 * complete it after we have summed up. Complete, the transport header and what follows sum up to the complement of what
 * the field holds now, the pseudo-header's sum: so that is what goes into the ICMP checksum in their place.
 */
#pragma once

#include "deliver.h"
#include "nat.h"

#define QUOTE_MAX 128 /* bytes of the packet that are quoted: RFC 792 asks for its IP header and 8 more */
#define QUOTE_CHUNK 64
#define REPLIES_MAX 64
#define REPLY_TTL 64

struct ipv4_reply {
	struct iphdr ip;
	struct icmp_header icmp;
} __attribute__((packed));

struct ipv6_reply {
	struct ipv6hdr ip;
	struct icmp_header icmp;
} __attribute__((packed));

static __u32 replies_tick, replies_sent[2]; /* .bss, by direction; a race lets a few more through */

static __always_inline bool reply_allowed(__u32 direction)
{
	__u32 now = clock_now();

	if (replies_tick != now) {
		replies_tick = now;
		replies_sent[0] = replies_sent[1] = 0;
	}
	return replies_sent[direction & 1]++ < REPLIES_MAX;
}

/*
 * The checksum at off if it is still to be computed, else -1. Then the helper leaves the field alone unless told of the
 * pseudo-header.
 */
__noinline int partial_checksum(struct __sk_buff *skb, __u32 off)
{
	__u16 was, now;

	if (bpf_skb_load_bytes(skb, off, &was, sizeof(was)) || bpf_l4_csum_replace(skb, off, 0, 1, 0) ||
	    bpf_skb_load_bytes(skb, off, &now, sizeof(now)))
		return -1;
	if (now == was)
		return was;
	bpf_skb_store_bytes(skb, off, &was, sizeof(was), 0);
	return -1;
}

/* Sums up the quotation, which starts at off, as if zeros followed. By chunks: each step is one more for the verifier. */
__noinline int sum_quoted(struct __sk_buff *skb, __u32 off, __u32 len, __u32 sum)
{
	for (__u32 done = 0; done < QUOTE_MAX && done < len; done += QUOTE_CHUNK) {
		__be32 chunk[QUOTE_CHUNK / 4] = {};
		__u32 n = len - done;

		if (n > QUOTE_CHUNK)
			n = QUOTE_CHUNK;
		asm volatile("" : "+r"(n)); /* the verifier must see that it isn't zero */
		if (!n || bpf_skb_load_bytes(skb, off + done, chunk, n))
			break;
		sum = bpf_csum_diff(NULL, 0, chunk, QUOTE_CHUNK, sum);
	}
	return csum_fold(sum); /* the helper may use all 32 bits: what the caller adds would overflow */
}

static __always_inline __u32 sum_words(const void *data, __u32 bytes, __u32 sum)
{
	const __u16 *word = data;

	for (__u32 i = 0; i < bytes / 2; i++)
		sum += word[i];
	return sum;
}

/* Type, code and last word of the error that answers a packet dropped for this reason. */
static __always_inline struct icmp_header error_header(const struct packet *p, __u32 reason)
{
	struct icmp_header icmp = {.type = p->ipv6 ? ICMP6_TIME_EXCEEDED : ICMP4_TIME_EXCEEDED};

	if (reason == DROP_TOO_BIG) {
		icmp.type = p->ipv6 ? ICMP6_TOO_BIG : ICMP4_UNREACHABLE;
		icmp.code = p->ipv6 ? 0 : ICMP4_FRAGMENTATION_NEEDED;
		icmp.word = bpf_htons(nic_mtu); /* RFC 1191, RFC 4443: the lower half; an MTU has no upper */
	}
	return icmp;
}

/*
 * Drops the packet for this reason and sends the error back, from the gateway to the guest or from the pod to outside.
 * Errors and later fragments get none (RFC 1812, 4.3.2.7). Returns what the program has to.
 */
__noinline int reply_error(struct __sk_buff *skb, const struct packet *p, __u32 reason, __u32 direction)
{
	if (!p)
		return SHOT;

	const volatile struct family *f = family_of(p->ipv6);
	__u32 headers = p->ipv6 ? sizeof(struct ipv6_reply) : sizeof(struct ipv4_reply);
	__u32 quote = skb->len - ETH_HLEN, summed, sum = 0;
	struct icmp_header icmp = error_header(p, reason);
	union addr src;
	struct ethhdr *eth;
	int partial = -1;

	/* The drop is counted whether or not it can be answered. */
	drop(skb, direction, reason);
	if (p->icmp_error || p->frag == FRAG_LATER || !reply_allowed(direction))
		return SHOT;
	if (quote > QUOTE_MAX)
		quote = QUOTE_MAX;
	summed = quote;
	if (l4_csum_offset(p))
		partial = partial_checksum(skb, p->l4 + l4_csum_offset(p));
	if (partial >= 0) {
		sum = (__u16)~partial;
		summed = p->l4 - ETH_HLEN;
	}
	if (bpf_skb_change_tail(skb, ETH_HLEN + quote, 0) || bpf_skb_adjust_room(skb, headers, BPF_ADJ_ROOM_MAC, 0))
		return SHOT;
	sum = sum_quoted(skb, ETH_HLEN + headers, summed, sum_words(&icmp, sizeof(icmp), sum));
	src = constant(direction == DIR_RECEIVE ? &f->pod : &f->gateway);
	if (p->ipv6) {
		struct ipv6_reply h = {.icmp = icmp};

		h.ip.version = 6;
		h.ip.payload_len = bpf_htons(sizeof(icmp) + quote);
		h.ip.nexthdr = IPPROTO_ICMPV6;
		h.ip.hop_limit = REPLY_TTL;
		__builtin_memcpy(&h.ip.saddr, &src, sizeof(src));
		__builtin_memcpy(&h.ip.daddr, &p->src, sizeof(p->src));
		sum = sum_words(&h.ip.saddr, 2 * sizeof(src), sum);
		sum += h.ip.payload_len + bpf_htons(IPPROTO_ICMPV6);
		h.icmp.checksum = ~csum_fold(sum);
		if (bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), 0))
			return SHOT;
	} else {
		struct ipv4_reply h = {.icmp = icmp};

		h.ip.version = 4;
		h.ip.ihl = sizeof(h.ip) / 4;
		h.ip.tot_len = bpf_htons(sizeof(h) + quote);
		h.ip.ttl = REPLY_TTL;
		h.ip.protocol = IPPROTO_ICMP;
		h.ip.saddr = src.word[0];
		h.ip.daddr = p->src.word[0];
		h.ip.check = ~csum_fold(sum_words(&h.ip, sizeof(h.ip), 0));
		h.icmp.checksum = ~csum_fold(sum);
		if (bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), 0))
			return SHOT;
	}
	eth = data_of(skb);
	if ((void *)(eth + 1) > end_of(skb))
		return SHOT;
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	if (direction == DIR_RECEIVE)
		return bpf_redirect_neigh(nic_ifindex, NULL, 0, 0);
	count(DIR_RECEIVE, skb->len);
	__builtin_memcpy(eth->h_source, gateway_mac, ETH_ALEN);
	return bpf_redirect(tap_ifindex, 0);
}

/*
 * Does the packet, or each segment of a GSO frame, fit the NIC's MTU? Only a guest that ignores what it was told sends
 * more; only where the guest was told less than the pod NIC has (--mtu) can more come in.
 */
static __always_inline bool fits(struct __sk_buff *skb, const struct packet *p)
{
	__u32 len = skb->len - ETH_HLEN;

	if (len <= nic_mtu)
		return true;
	return skb->gso_size && skb->gso_size + p->l4 - ETH_HLEN + p->l4_len <= nic_mtu;
}
