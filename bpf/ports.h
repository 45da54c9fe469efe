/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The port rules: whom a new connection from outside belongs to. Without declared ports everything is the
 * guest's; with them, the declared TCP and UDP ports are, and the pod's own stack gets the rest, pings too.
 * User space writes the bank that is not in use and then flips settings.bank: no packet sees half a change.
 */
#pragma once

#include "maps.h"

static __always_inline struct settings *settings_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline __u8 port_rule(__u8 class, __be16 port)
{
	struct settings *s = settings_of();
	__u32 n = bpf_ntohs(port), index;
	__u64 *word;

	if (!s || !s->ports_only)
		return SIDE_GUEST;
	if (class > CLASS_UDP)
		return SIDE_POD;
	index = ((s->bank & 1) * 2 + class) * PORTS_WORDS + n / 64;
	word = bpf_map_lookup_elem(&ports, &index);
	return word && (*word >> (n % 64)) & 1 ? SIDE_GUEST : SIDE_POD;
}
