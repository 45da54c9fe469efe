/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* tapir_tap_in: a frame from the guest. It goes outside, back to the guest, to the pod's loopback, or to its stack. */
#pragma once

#include "guest_out.h"
#include "hairpin.h"
#include "loopback_return.h"

#define LINK_LOCAL_PAUSE 32 /* clock units: 2 s at 1000 Hz, 8 s at 250 Hz */

/* A guest has one MAC: the configured one, or the first it used with an address of its own. */
static __always_inline bool mac_allowed(__u64 mac)
{
	__u64 known = guest_mac();

	if (known)
		return known == mac;
	return mac && !(mac & 1) && mac != mac_of(gateway_mac); /* neither nobody's, a group's nor the gateway's */
}

static __always_inline void mac_learn(__u64 mac)
{
	struct nic_state *s = state_of();

	/* Two CPUs learning at once: the last store stands, the other's later frames are dropped as spoofed. */
	if (s && !guest_mac())
		s->guest_mac = mac;
}

static __always_inline int tap_in_arp(struct __sk_buff *skb, __u64 mac)
{
	struct {
		__u8 header[8];
		__u8 sender_mac[ETH_ALEN];
		__be32 sender; /* unaligned */
	} __attribute__((packed)) *arp;

	if (pull(skb, ETH_HLEN + 28))
		return drop(skb, DIR_TRANSMIT, DROP_MALFORMED);
	arp = data_of(skb) + ETH_HLEN;
	if ((void *)(arp + 1) > end_of(skb))
		return drop(skb, DIR_TRANSMIT, DROP_MALFORMED);
	if (!has_ipv4)
		return drop(skb, DIR_TRANSMIT, DROP_NO_FAMILY);
	if (mac_of(arp->sender_mac) != mac || (arp->sender && arp->sender != families[0].guest.word[0]))
		return drop(skb, DIR_TRANSMIT, DROP_SPOOFED_ARP);
	mac_learn(mac);
	return PASS;
}

/*
 * A guest has one link-local address at a time. Another one (it booted another system) is believed, but only every few
 * seconds: each makes an entry in a neighbour table that all the node's pods share.
 */
static __always_inline bool link_local_allowed(const union addr *a)
{
	struct nic_state *s = state_of();
	__u32 now = clock_now();

	if (!s)
		return false;
	if (s->guest_link_local == a->half[1])
		return true;
	if (s->guest_link_local && now - s->link_local_since < LINK_LOCAL_PAUSE)
		return false;
	s->guest_link_local = a->half[1];
	s->link_local_since = now;
	return true;
}

/* Sources that a host without an address has: DHCP, duplicate address detection, link-local discovery. */
static __always_inline bool is_unconfigured(const struct packet *p, const bool ipv6)
{
	if (ipv6)
		return (!p->src.half[0] && !p->src.half[1] && is_group(&p->dst, true)) ||
		       (is_link_local(&p->src) && link_local_allowed(&p->src) &&
			(is_link_local(&p->dst) || is_group(&p->dst, true) ||
			 addr_equal(&p->dst, &families[1].gateway, true)));
	return !p->src.word[0] && p->dst.word[0] == 0xffffffff && p->class == CLASS_UDP &&
	       p->dport == bpf_htons(67);
}

static __always_inline int tap_in_ip(struct __sk_buff *skb, __u64 mac, bool to_gateway, const bool ipv6)
{
	const volatile struct family *f = family_of(ipv6);
	struct packet p;
	int err = parse(skb, &p, ETH_HLEN, ipv6, false);

	if (err)
		return drop(skb, DIR_TRANSMIT, err);
	if (is_unconfigured(&p, ipv6)) {
		mac_learn(mac);
		return PASS;
	}
	if (!addr_equal(&p.src, &f->guest, ipv6))
		return drop(skb, DIR_TRANSMIT, DROP_SPOOFED_ADDRESS);
	mac_learn(mac);
	if (is_group(&p.dst, ipv6) || icmp_is_link_scope(&p) || (ipv6 && is_link_local(&p.dst)))
		return PASS;
	if (!to_gateway)
		return drop(skb, DIR_TRANSMIT, DROP_NOT_FOR_GATEWAY);
	if (addr_equal(&p.dst, &f->gateway, ipv6))
		return loopback_return(skb, &p);
	if (addr_equal(&p.dst, &f->pod, ipv6))
		return hairpin(skb, &p);
	if (addr_in(&p.dst, f, ipv6) || is_nowhere(&p.dst, ipv6))
		return drop(skb, DIR_TRANSMIT, DROP_UNREACHABLE);
	return guest_out(skb, &p, f);
}

SEC("tc")
int tapir_tap_in(struct __sk_buff *skb)
{
	struct ethhdr *eth = data_of(skb);
	bool to_gateway;
	__u64 mac;

	/* The stack's own broadcast on the tap, looped back to it: not the guest's, and without a MAC header. */
	if (skb->pkt_type == PACKET_LOOPBACK)
		return PASS;
	if ((void *)(eth + 1) > end_of(skb))
		return drop(skb, DIR_TRANSMIT, DROP_MALFORMED);
	mac = mac_of(eth->h_source);
	if (!mac_allowed(mac))
		return drop(skb, DIR_TRANSMIT, DROP_SPOOFED_MAC);
	if (skb->vlan_present)
		return drop(skb, DIR_TRANSMIT, DROP_ETHERTYPE);
	to_gateway = mac_of(eth->h_dest) == mac_of(gateway_mac);
	switch (eth->h_proto) {
	case bpf_htons(ETH_P_IP):
		return has_ipv4 ? tap_in_ip(skb, mac, to_gateway, false) : drop(skb, DIR_TRANSMIT, DROP_NO_FAMILY);
	case bpf_htons(ETH_P_IPV6):
		return has_ipv6 ? tap_in_ip(skb, mac, to_gateway, true) : drop(skb, DIR_TRANSMIT, DROP_NO_FAMILY);
	case bpf_htons(ETH_P_ARP):
		return tap_in_arp(skb, mac);
	}
	return drop(skb, DIR_TRANSMIT, DROP_ETHERTYPE);
}
