/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The shapes that the programs share with user space. bpf2go derives the Go types from these. */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* An IPv4 address stands in word 0, the rest zero, so that one key serves both families. */
union addr {
	__be32 word[4];
	__u64 half[2];
};

/* Who a packet or a local port belongs to. LOOPBACK is a pod process that used 127.0.0.1 or ::1. */
enum side {
	SIDE_NONE = 0,
	SIDE_GUEST = 1,
	SIDE_POD = 2,
	SIDE_LOOPBACK = 3,
};

/* Port spaces. ICMP queries have one (the id); for OTHER the "port" is the protocol number. */
enum class {
	CLASS_TCP = 0,
	CLASS_UDP = 1,
	CLASS_ICMP = 2,
	CLASS_OTHER = 3,
	CLASSES = 4,
};

/*
 * A flow as the pod NIC sees it: remote end, and the port on the pod's address ("wire port").
 * Both directions of a flow make the same key. For loopback flows the remote is the gateway.
 */
struct flow_key {
	union addr remote;
	__be16 remote_port;
	__be16 local_port;
	__u8 proto;
	__u8 ipv6;
	__u8 kind;  /* contested table: enum side of a forward entry, 0 for a wire entry */
	__u8 class; /* enum class; contested table: 0, since proto and ipv6 tell */
};

/*
 * What was decided for a flow, in one cache line, see table.h. Soft state: it may vanish at any time and is then decided
 * again.
 */
struct flow {
	__u64 tuple;    /* ports, whose they are, and when that was claimed; 0: none */
	union addr remote;
	__u64 next_hop; /* see nexthop.h */
	__u32 seen;     /* clock of the last packet, see clock.h */
	__u32 made;     /* clock of the first packet */
	__u32 packets[2]; /* by enum direction; what doesn't fit in is counted in the last 8 bits of bytes */
	__u64 bytes[2];
};

#define BYTES_BITS 56

#define SURVEY_STRETCH 64 /* slots that a run of tapir_survey looks at */

/* How far the flow table has been counted. */
struct survey {
	__u32 slot;  /* the next to look at */
	__u32 flows; /* before that */
	__u32 now;   /* see clock.h */
};

/* Seen from the guest. */
enum direction {
	DIR_RECEIVE = 0,
	DIR_TRANSMIT = 1,
};

/* Hard state: a tuple on a wire port that both sides use. See contested.h. */
struct contest {
	__be16 port; /* wire entry: the owner's port; forward entry: the wire port */
	__u8 side;
	__u8 pad;
	__u32 seen;
};

struct frag_key {
	union addr src, dst;
	__u32 id;
	__u8 proto;
	__u8 ipv6;
	__u16 pad;
};

struct counter {
	__u64 packets, bytes;
};

/* What may change while the programs run: user space writes it, the programs read. */
struct settings {
	__u64 guest_mac;  /* low 6 bytes in wire order; 0: the one that is learnt */
	__u32 ports_only; /* 0: every port is the guest's; 1: those in the bank are */
	__u32 bank;       /* which half of the ports map holds: 0 or 1 */
};

/* What the programs have learnt of the guest. User space writes it only to have it forgotten. */
struct nic_state {
	__u64 guest_mac; /* 0: not learnt yet */
	__u64 guest_link_local; /* interface identifier of the guest's link-local address; 0: none seen */
	__u32 link_local_since; /* clock */
	__u32 pad;
};

/* Constants of one address family, in .rodata. */
struct family {
	union addr guest, pod, gateway, loopback, prefix, mask;
	/* Ones'-complement differences that a change of addresses makes to a checksum. */
	__u32 to_pod;     /* guest -> pod */
	__u32 to_guest;   /* pod -> guest */
	__u32 from_lo;    /* loopback, loopback -> gateway, guest */
	__u32 to_lo;      /* guest, gateway -> loopback, loopback */
};
