/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Turns a packet that can't go on into the ICMP error that a router sends back (RFC 1812, RFC 4443): time exceeded,
 * or packet too big. The frame is cut to what is quoted, moved down by an IP and an ICMP header and sent back
 * where it came from. Errors are never answered by errors, nor are fragments after the first, and
 * a NIC makes 64 errors per clock unit at most: it can't be used to flood a forged source.
 */
#pragma once

#include "deliver.h"
#include "nat.h"

#define QUOTE_MAX 128 /* bytes of the packet that are quoted: RFC 792 asks for its IP header and 8 more */
#define REPLIES_MAX 64
#define REPLY_TTL 64

struct reply {
	union addr src, dst;
	__u32 ifindex; /* where it goes out */
	__u32 word;    /* last word of the ICMP header, network order: the MTU where one is told */
	__u8 type, code;
	__u8 ipv6;
	__u8 reason; /* enum drop_reason of the packet that is answered */
};

struct ipv4_reply {
	struct iphdr ip;
	struct icmp_header icmp;
} __attribute__((packed));

struct ipv6_reply {
	struct ipv6hdr ip;
	struct icmp_header icmp;
} __attribute__((packed));

static __u32 replies_tick, replies_sent; /* .bss; a race lets a few more through */

static __always_inline bool reply_allowed(void)
{
	__u32 now = clock_now();

	if (replies_tick != now) {
		replies_tick = now;
		replies_sent = 0;
	}
	return replies_sent++ < REPLIES_MAX;
}

/* Sums up the quotation, which starts at off; an odd end counts as if a zero followed. */
static __always_inline __u32 sum_quoted(struct __sk_buff *skb, __u32 off, __u32 len, __u32 sum)
{
	for (__u32 i = 0; i < QUOTE_MAX / 2; i++) {
		__u16 word = 0;

		if (i * 2 + 1 < len ? bpf_skb_load_bytes(skb, off + i * 2, &word, 2) :
		    i * 2 < len ? bpf_skb_load_bytes(skb, off + i * 2, &word, 1) : 1)
			break;
		sum += word;
	}
	return sum;
}

static __always_inline __u32 sum_words(const void *data, __u32 bytes, __u32 sum)
{
	const __u16 *word = data;

	for (__u32 i = 0; i < bytes / 2; i++)
		sum += word[i];
	return sum;
}

/* Sends the error instead of the packet. Returns what the program has to. */
__noinline int reply_error(struct __sk_buff *skb, const struct reply *r, __u32 direction)
{
	if (!r)
		return SHOT;

	__u32 headers = r->ipv6 ? sizeof(struct ipv6_reply) : sizeof(struct ipv4_reply);
	__u32 quote = skb->len - ETH_HLEN, sum;
	struct icmp_header icmp = {.type = r->type, .code = r->code};
	struct ethhdr *eth;

	/* The drop is counted whether or not it can be answered. */
	drop(skb, direction, r->reason);
	if (quote > QUOTE_MAX)
		quote = QUOTE_MAX;
	if (!reply_allowed() || bpf_skb_change_tail(skb, ETH_HLEN + quote, 0) ||
	    bpf_skb_adjust_room(skb, headers, BPF_ADJ_ROOM_MAC, 0))
		return SHOT;
	__builtin_memcpy(&icmp.id, &r->word, sizeof(r->word));
	sum = sum_words(&icmp, sizeof(icmp), 0);
	if (r->ipv6) {
		struct ipv6_reply h = {};

		sum = sum_words(&r->src, 2 * sizeof(r->src), sum);
		sum += bpf_htons(sizeof(icmp) + quote) + bpf_htons(IPPROTO_ICMPV6);
		h.ip.version = 6;
		h.ip.payload_len = bpf_htons(sizeof(icmp) + quote);
		h.ip.nexthdr = IPPROTO_ICMPV6;
		h.ip.hop_limit = REPLY_TTL;
		__builtin_memcpy(&h.ip.saddr, &r->src, sizeof(r->src));
		__builtin_memcpy(&h.ip.daddr, &r->dst, sizeof(r->dst));
		icmp.checksum = ~csum_fold(sum_quoted(skb, ETH_HLEN + headers, quote, sum));
		h.icmp = icmp;
		if (bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), 0))
			return SHOT;
	} else {
		struct ipv4_reply h = {};

		h.ip.version = 4;
		h.ip.ihl = sizeof(h.ip) / 4;
		h.ip.tot_len = bpf_htons(sizeof(h) + quote);
		h.ip.ttl = REPLY_TTL;
		h.ip.protocol = IPPROTO_ICMP;
		h.ip.saddr = r->src.word[0];
		h.ip.daddr = r->dst.word[0];
		h.ip.check = ~csum_fold(sum_words(&h.ip, sizeof(h.ip), 0));
		icmp.checksum = ~csum_fold(sum_quoted(skb, ETH_HLEN + headers, quote, sum));
		h.icmp = icmp;
		if (bpf_skb_store_bytes(skb, ETH_HLEN, &h, sizeof(h), 0))
			return SHOT;
	}
	eth = data_of(skb);
	if ((void *)(eth + 1) > end_of(skb))
		return SHOT;
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	if (r->ifindex == tap_ifindex) {
		count(DIR_RECEIVE, skb->len);
		__builtin_memcpy(eth->h_source, gateway_mac, ETH_ALEN);
		return bpf_redirect(tap_ifindex, 0);
	}
	return bpf_redirect_neigh(nic_ifindex, NULL, 0, 0);
}

/* Whether a packet may be answered by an error at all (RFC 1812, 4.3.2.7). */
static __always_inline bool may_reply(const struct packet *p)
{
	return !p->icmp_error && p->frag != FRAG_LATER;
}

static __always_inline int ttl_exceeded(struct __sk_buff *skb, const struct packet *p, const volatile union addr *from,
					__u32 ifindex, enum direction dir)
{
	struct reply r = {
		.src = constant(from),
		.dst = p->src,
		.ifindex = ifindex,
		.type = p->ipv6 ? ICMP6_TIME_EXCEEDED : ICMP4_TIME_EXCEEDED,
		.ipv6 = p->ipv6,
		.reason = DROP_TTL_EXCEEDED,
	};

	return may_reply(p) ? reply_error(skb, &r, dir) : drop(skb, dir, DROP_TTL_EXCEEDED);
}

/* Too long for the pod NIC. In IPv4 the MTU stands in the lower half of the word (RFC 1191). */
static __always_inline int too_big(struct __sk_buff *skb, const struct packet *p, const volatile union addr *from)
{
	struct reply r = {
		.src = constant(from),
		.dst = p->src,
		.ifindex = tap_ifindex,
		.word = bpf_htonl(nic_mtu),
		.type = p->ipv6 ? ICMP6_TOO_BIG : ICMP4_UNREACHABLE,
		.code = p->ipv6 ? 0 : ICMP4_FRAGMENTATION_NEEDED,
		.ipv6 = p->ipv6,
		.reason = DROP_TOO_BIG,
	};

	return may_reply(p) ? reply_error(skb, &r, DIR_TRANSMIT) : drop(skb, DIR_TRANSMIT, DROP_TOO_BIG);
}

/*
 * Does the packet, or each segment of a GSO frame, fit the pod NIC? Only a guest that ignores the MTU it was told
 * sends more.
 */
static __always_inline bool fits(struct __sk_buff *skb, const struct packet *p)
{
	__u32 len = skb->len - ETH_HLEN;

	if (len <= nic_mtu)
		return true;
	return skb->gso_size && skb->gso_size + p->l4 - ETH_HLEN + p->l4_len <= nic_mtu;
}
