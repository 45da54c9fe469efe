/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The context of a TC program: a packet as the kernel's stack has it. xdp.h is its counterpart. */
#pragma once

#include "types.h"

typedef struct __sk_buff context;

/*
 * Reads of the frame's bounds. In plain C the compiler keeps the address of the field for a second read, and
 * the verifier refuses a context pointer with an offset.
 */
static __always_inline void *data_of(struct __sk_buff *skb)
{
	void *p;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		     : "=r"(p)
		     : "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, data)));
	return p;
}

static __always_inline void *end_of(struct __sk_buff *skb)
{
	void *p;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		     : "=r"(p)
		     : "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, data_end)));
	return p;
}

static __always_inline __u32 length_of(struct __sk_buff *skb)
{
	return skb->len;
}

/* Makes the first len bytes (or the whole frame) readable in place: a guest chooses how its frames are cut. */
static __always_inline int pull(struct __sk_buff *skb, __u32 len)
{
	if (len > skb->len)
		len = skb->len;
	if (data_of(skb) + len <= end_of(skb))
		return 0;
	return bpf_skb_pull_data(skb, len);
}

static __always_inline long load_bytes(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	return bpf_skb_load_bytes(skb, off, to, len);
}

static __always_inline long store_bytes(struct __sk_buff *skb, __u32 off, const void *from, __u32 len)
{
	return bpf_skb_store_bytes(skb, off, from, len, 0);
}

/* The helper alone knows whether the field holds a whole checksum or, with CHECKSUM_PARTIAL, only the pseudo-header's. */
static __always_inline long replace_l4_csum(struct __sk_buff *skb, __u32 off, __u64 from, __u64 to, __u64 flags)
{
	return bpf_l4_csum_replace(skb, off, from, to, flags);
}
