/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What kind of address one is, of either family. */
#pragma once

#include "config.h"

static __always_inline bool addr_equal(const union addr *a, const volatile union addr *b, const bool ipv6)
{
	if (!ipv6)
		return a->word[0] == b->word[0];
	return a->half[0] == b->half[0] && a->half[1] == b->half[1];
}

static __always_inline bool addr_in(const union addr *a, const volatile struct family *f, const bool ipv6)
{
	if (!ipv6)
		return (a->word[0] & f->mask.word[0]) == f->prefix.word[0];
	return (a->half[0] & f->mask.half[0]) == f->prefix.half[0] &&
	       (a->half[1] & f->mask.half[1]) == f->prefix.half[1];
}

static __always_inline bool is_link_local(const union addr *a)
{
	return (a->word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

static __always_inline bool is_group(const union addr *a, const bool ipv6)
{
	if (ipv6)
		return (a->word[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
	return (a->word[0] & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) || a->word[0] == 0xffffffff ||
	       a->word[0] == (families[0].prefix.word[0] | ~families[0].mask.word[0]);
}

/* Loopback and unspecified addresses, which are in no network. */
static __always_inline bool is_nowhere(const union addr *a, const bool ipv6)
{
	__be32 net = a->word[0] & bpf_htonl(0xff000000);

	if (ipv6)
		return !a->half[0] && (!a->half[1] || addr_equal(a, &families[1].loopback, true));
	return !net || net == bpf_htonl(0x7f000000);
}
