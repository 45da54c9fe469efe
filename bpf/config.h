/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What is fixed for the life of a NIC: .rodata, so that the verifier prunes what it rules out. */
#pragma once

#include "types.h"

volatile const __u32 tap_ifindex;
volatile const __u32 nic_ifindex;
volatile const __u32 nic_mtu;
volatile const __u64 nic_mac; /* low 6 bytes in wire order */
volatile const bool redirect_peer; /* how packets leave, see nexthop.h */
volatile const __u32 second; /* in units of clock.h, at least 1 */
volatile const __u32 flow_slots; /* size of the flow table */
volatile const __u64 flow_seed; /* see table.h */
#define LO_IFINDEX 1 /* LOOPBACK_IFINDEX of net/net_namespace.h */

/* A family is on when the pod NIC has a global address of it. */
volatile const bool has_ipv4, has_ipv6;
volatile const struct family families[2]; /* IPv4, IPv6 */

/* Length of an ownership generation by class, as a shift of the clock. See owners.h. */
volatile const __u8 epoch_shift[CLASSES];

static const __u8 gateway_mac[6] = {0x02, 0, 0, 0, 0, 0};

/* Reads word by word through volatile: the compiler takes a plain read of a constant for its initial zero. */
static __always_inline union addr constant(const volatile union addr *a)
{
	union addr value = {.half = {a->half[0], a->half[1]}};

	return value;
}

/* Where the family isn't known yet, it is an index, not a branch: the verifier would follow all that comes after both. */
static __always_inline const volatile struct family *family_of(const bool ipv6)
{
	__u32 index = ipv6;

	if (!__builtin_constant_p(ipv6))
		barrier_var(index); /* or the compiler knows that a bool needs no mask, which the verifier doesn't */
	return &families[index & 1];
}
