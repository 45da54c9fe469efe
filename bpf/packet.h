/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Reads an IPv4 or IPv6 packet into one shape, so that what follows need not know the family.
 *
 * ICMP queries (echo, timestamp) are given ports: the asker's is the id, the answerer's is 0. A ping from
 * the guest and a ping to it then differ as a client's and a server's connection do, even with equal ids.
 * Other protocols get their number as both ports: one flow for each remote end, as conntrack has it.
 *
 * A program includes skb.h or xdp.h first, which say what the context of its packets is.
 */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "drop.h"
#include "icmp.h"
#include "types.h"

#define IP_MF 0x2000
#define IP_OFFSET 0x1fff
#define MAX_HEADERS 1024 /* headers past this are hostile; the verifier too wants offsets bounded */
#define IPV6_EXT_MAX 6 /* extension headers followed; more is hostile */

enum frag {
	FRAG_NONE,
	FRAG_FIRST,
	FRAG_LATER, /* carries no transport header */
};

struct packet {
	union addr src, dst;
	__be16 sport, dport;
	__u32 frag_id;
	__u16 l4; /* offset of the transport header in the frame */
	__u8 proto;
	__u8 class;
	__u8 ttl;
	__u8 frag;
	__u8 icmp_type;
	__u8 l4_len; /* of the transport header, options included; 0 where it isn't known */
	bool ipv6;
	bool opens;      /* TCP SYN without ACK, or an ICMP query: judged by the port rules alone */
	bool accepts;    /* TCP SYN and ACK */
	bool resets;     /* TCP RST: proves nothing about who owns a port */
	bool icmp_error; /* carries the packet that caused it */
};

/* A whole TCP segment or UDP datagram that opens no connection. */
static __always_inline bool is_plain(const struct packet *p)
{
	return p->class <= CLASS_UDP && !(p->frag | p->opens);
}

static __always_inline __u8 class_of(__u8 proto, const bool ipv6)
{
	if (proto == IPPROTO_TCP)
		return CLASS_TCP;
	if (proto == IPPROTO_UDP)
		return CLASS_UDP;
	if (proto == (ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return CLASS_ICMP;
	return CLASS_OTHER;
}

/* Link-scope ICMPv6 (router and neighbour discovery, multicast listeners): never crosses a router. */
static __always_inline bool icmp_is_link_scope(const struct packet *p)
{
	return p->ipv6 && p->class == CLASS_ICMP &&
	       ((p->icmp_type >= ICMP6_MLD_QUERY && p->icmp_type <= ICMP6_REDIRECT) ||
		p->icmp_type == ICMP6_MLD2_REPORT);
}

/* Reads an ICMP header. A function of its own, so that it is verified only once. */
__noinline int parse_icmp(context *ctx, struct packet *p)
{
	struct icmp_header *icmp;
	__u32 off;

	if (!p)
		return DROP_MALFORMED;
	off = p->l4;
	if (off > MAX_HEADERS)
		return DROP_MALFORMED;
	icmp = data_of(ctx) + off;
	if ((void *)(icmp + 1) > end_of(ctx))
		return DROP_MALFORMED;
	p->icmp_type = icmp->type;
	if (icmp_is_query(icmp->type, p->ipv6)) {
		p->sport = icmp->id;
		p->opens = true;
	} else if (icmp_is_answer(icmp->type, p->ipv6)) {
		p->dport = icmp->id;
	}
	p->icmp_error = icmp_is_error(icmp->type, p->ipv6);
	return DROP_NONE;
}

/* Reads the transport header at p->l4. Quoted packets (in ICMP errors) may end after 8 bytes. */
static __always_inline int parse_ports(context *ctx, struct packet *p, const bool quoted)
{
	void *l4, *end = end_of(ctx);
	__u32 off = p->l4;

	p->class = class_of(p->proto, p->ipv6);
	if (p->class == CLASS_OTHER || p->frag == FRAG_LATER) {
		p->sport = p->dport = bpf_htons(p->proto);
		return DROP_NONE;
	}
	if (p->class == CLASS_ICMP)
		return parse_icmp(ctx, p);
	if (off > MAX_HEADERS)
		return DROP_MALFORMED;
	l4 = data_of(ctx) + off;
	if (l4 + 8 > end)
		return DROP_MALFORMED;
	p->sport = ((struct udphdr *)l4)->source;
	p->dport = ((struct udphdr *)l4)->dest;
	p->l4_len = sizeof(struct udphdr);
	if (p->class == CLASS_TCP && !quoted) {
		struct tcphdr *tcp = l4;

		if (l4 + sizeof(*tcp) > end)
			return DROP_MALFORMED;
		p->opens = tcp->syn & !tcp->ack;
		p->accepts = tcp->syn & tcp->ack;
		p->resets = tcp->rst;
		p->l4_len = tcp->doff * 4;
	}
	return DROP_NONE;
}

static __always_inline int parse_ipv4(context *ctx, struct packet *p, __u32 off, const bool quoted)
{
	struct iphdr *ip = data_of(ctx) + off;
	__u32 frag, later;
	__u16 len;

	if ((void *)(ip + 1) > end_of(ctx) || ip->version != 4 || ip->ihl < 5)
		return DROP_MALFORMED;
	len = bpf_ntohs(ip->tot_len); /* 0 in a BIG TCP frame */
	if (len && (len < ip->ihl * 4 || (!quoted && len > length_of(ctx) - off)))
		return DROP_MALFORMED;
	p->src.word[0] = ip->saddr;
	p->dst.word[0] = ip->daddr;
	p->proto = ip->protocol;
	p->ttl = ip->ttl;
	p->l4 = off + ip->ihl * 4;
	frag = bpf_ntohs(ip->frag_off); /* no branches, or the verifier would follow all that comes after each */
	later = ((frag & IP_OFFSET) + IP_OFFSET) / IP_MF; /* 1 if there is an offset */
	p->frag = later * FRAG_LATER | (frag / IP_MF & !later) * FRAG_FIRST;
	p->frag_id = ip->id;
	/* Options push the transport header beyond what has been pulled. */
	if (p->l4 > off + sizeof(*ip) && pull(ctx, p->l4 + sizeof(struct tcphdr)))
		return DROP_MALFORMED;
	return DROP_NONE;
}

static __always_inline bool is_extension(__u8 proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_FRAGMENT;
}

/* Steps over the extension header at p->l4. A function of its own, so that it is verified once and not at each step. */
__noinline int parse_extension(context *ctx, struct packet *p)
{
	struct {
		__u8 next, len;
		__be16 offset;
		__be32 id;
	} ext;

	if (!p || load_bytes(ctx, p->l4, &ext, sizeof(ext)))
		return DROP_MALFORMED;
	if (p->proto == IPPROTO_FRAGMENT) {
		p->frag_id = ext.id;
		p->l4 += sizeof(ext);
		if (ext.offset & bpf_htons(0xfff8))
			p->frag = FRAG_LATER;
		else if (ext.offset & bpf_htons(1))
			p->frag = FRAG_FIRST; /* else an atomic fragment: whole */
	} else {
		p->l4 += (ext.len + 1) * 8;
	}
	p->proto = ext.next;
	return DROP_NONE;
}

/* Walks the extension headers from p->l4 on; p->proto and p->l4 are the transport's afterwards. */
__noinline int parse_extensions(context *ctx, struct packet *p)
{
	if (!p)
		return DROP_MALFORMED;
	for (int i = 0; i < IPV6_EXT_MAX && p->frag != FRAG_LATER && is_extension(p->proto); i++)
		if (parse_extension(ctx, p))
			return DROP_MALFORMED;
	if (p->frag != FRAG_LATER && is_extension(p->proto))
		return DROP_MALFORMED;
	return pull(ctx, p->l4 + sizeof(struct tcphdr)) ? DROP_MALFORMED : DROP_NONE;
}

static __always_inline int parse_ipv6(context *ctx, struct packet *p, __u32 off, const bool quoted)
{
	struct ipv6hdr *ip = data_of(ctx) + off;

	if ((void *)(ip + 1) > end_of(ctx) || ip->version != 6)
		return DROP_MALFORMED;
	if (!quoted && bpf_ntohs(ip->payload_len) > length_of(ctx) - off - sizeof(*ip))
		return DROP_MALFORMED;
	__builtin_memcpy(&p->src, &ip->saddr, sizeof(p->src));
	__builtin_memcpy(&p->dst, &ip->daddr, sizeof(p->dst));
	p->proto = ip->nexthdr;
	p->ttl = ip->hop_limit;
	p->l4 = off + sizeof(*ip);
	return is_extension(p->proto) ? parse_extensions(ctx, p) : DROP_NONE;
}

/* Parses the packet whose IP header is at off. Returns DROP_NONE or why it can't be forwarded. */
static __always_inline int parse(context *ctx, struct packet *p, __u32 off, const bool ipv6,
				 const bool quoted)
{
	int err;

	__builtin_memset(p, 0, sizeof(*p));
	p->ipv6 = ipv6;
	if (off > MAX_HEADERS || pull(ctx, off + (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + sizeof(struct tcphdr)))
		return DROP_MALFORMED;
	err = ipv6 ? parse_ipv6(ctx, p, off, quoted) : parse_ipv4(ctx, p, off, quoted);
	return err ?: parse_ports(ctx, p, quoted);
}

/* Parses what an ICMP error quotes. */
__noinline int parse_quoted(context *ctx, const struct packet *outer, struct packet *q)
{
	if (!outer || !q)
		return DROP_MALFORMED;
	return parse(ctx, q, outer->l4 + sizeof(struct icmp_header), outer->ipv6, true);
}
