/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* ICMP on the wire (RFC 792, RFC 4443). linux/icmp.h can't be had for BPF: it drags in the C library. */
#pragma once

#include "types.h"

struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 id; /* of a query or its answer */
	__be16 word; /* sequence number; MTU in an ICMPv4 "fragmentation needed" */
};

enum icmp4_type {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_SOURCE_QUENCH = 4,
	ICMP4_ECHO = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER = 12,
	ICMP4_TIMESTAMP = 13,
	ICMP4_TIMESTAMP_REPLY = 14,
};

#define ICMP4_FRAGMENTATION_NEEDED 4 /* code of UNREACHABLE */

enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_MLD_QUERY = 130, /* from here link scope: MLD, router and neighbour discovery, redirect */
	ICMP6_REDIRECT = 137,
	ICMP6_MLD2_REPORT = 143,
};

static __always_inline bool icmp_is_query(__u8 type, const bool ipv6)
{
	return ipv6 ? type == ICMP6_ECHO : type == ICMP4_ECHO || type == ICMP4_TIMESTAMP;
}

static __always_inline bool icmp_is_answer(__u8 type, const bool ipv6)
{
	return ipv6 ? type == ICMP6_ECHO_REPLY : type == ICMP4_ECHO_REPLY || type == ICMP4_TIMESTAMP_REPLY;
}

static __always_inline bool icmp_is_error(__u8 type, const bool ipv6)
{
	return ipv6 ? type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER :
		      type == ICMP4_UNREACHABLE || type == ICMP4_SOURCE_QUENCH || type == ICMP4_TIME_EXCEEDED ||
		      type == ICMP4_PARAMETER;
}
