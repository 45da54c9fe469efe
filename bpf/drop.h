/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Why a packet was not forwarded. Numbers are an interface: never change or reuse one; add at the end. */
#pragma once

enum drop_reason {
	DROP_NONE = 0,
	DROP_MALFORMED = 1,          /* truncated or contradictory headers */
	DROP_ETHERTYPE = 2,          /* neither ARP, IPv4 nor IPv6, or VLAN-tagged */
	DROP_SPOOFED_MAC = 3,        /* guest used a source MAC that isn't its own */
	DROP_SPOOFED_ADDRESS = 4,    /* guest used a source address that isn't its own */
	DROP_SPOOFED_ARP = 5,        /* guest's ARP claims another's MAC or address */
	DROP_NOT_FOR_GATEWAY = 6,    /* routed packet that wasn't sent to the gateway's MAC */
	DROP_NO_FAMILY = 7,          /* the pod has no address of this family */
	DROP_UNREACHABLE = 8,        /* guest wrote to loopback or to nobody in its private network */
	DROP_PRIVATE_ADDRESS = 9,    /* outside wrote to the guest's private network, or as if from it */
	DROP_TTL_EXCEEDED = 10,      /* TTL or hop limit ran out here */
	DROP_NO_FREE_PORT = 11,      /* the source port is the other side's and no other was to be had */
	DROP_ICMP_TYPE = 12,         /* ICMP message that can't cross a NAT */
	DROP_TOO_BIG = 13,           /* larger than the pod NIC's MTU; nothing is fragmented here */
	DROP_REASONS,
};

enum event {
	EVENT_REMAP = 0,          /* a flow got another wire port */
	EVENT_CONTESTED_FULL = 1, /* no room to remember a contested tuple */
	EVENT_FRAGMENT_BOTH = 2,  /* fragment came before its first: handed to guest and pod */
	EVENTS,
};
