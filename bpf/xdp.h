/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The context of an XDP program: a frame before the kernel's stack makes a packet of it. skb.h is its counterpart.
 *
 * All functions see the frame's first buffer only. What is longer than that looks cut short, and is left to TC.
 */
#pragma once

#include "checksum.h"
#include "types.h"

typedef struct xdp_md context;

/* In assembly for the reason that skb.h gives. */
static __always_inline void *data_of(struct xdp_md *xdp)
{
	void *p;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(p) : "r"(xdp), "i"(__builtin_offsetof(struct xdp_md, data)));
	return p;
}

static __always_inline void *end_of(struct xdp_md *xdp)
{
	void *p;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(p) : "r"(xdp), "i"(__builtin_offsetof(struct xdp_md, data_end)));
	return p;
}

static __always_inline __u32 length_of(struct xdp_md *xdp)
{
	return end_of(xdp) - data_of(xdp);
}

/* There is nothing to pull: who reads checks against end_of. */
static __always_inline int pull(struct xdp_md *xdp, __u32 len)
{
	return 0;
}

static __always_inline long load_bytes(struct xdp_md *xdp, __u32 off, void *to, __u32 len)
{
	return bpf_xdp_load_bytes(xdp, off, to, len);
}

static __always_inline long store_bytes(struct xdp_md *xdp, __u32 off, const void *from, __u32 len)
{
	return bpf_xdp_store_bytes(xdp, off, (void *)from, len);
}

/*
 * What bpf_l4_csum_replace does (RFC 1624). A frame has no mark that its checksum is still to be computed, so this is
 * for those alone whose checksum is known to be whole: there, the pseudo-header is like any other part of it.
 */
static __always_inline long replace_l4_csum(struct xdp_md *xdp, __u32 off, __u64 from, __u64 to, __u64 flags)
{
	__u16 *field = data_of(xdp) + off;

	if ((void *)(field + 1) > end_of(xdp))
		return -1;
	if (flags & BPF_F_MARK_MANGLED_0 && !*field)
		return 0;
	*field = ~csum_fold((__u16)~*field + (__u16)~from + to);
	if (flags & BPF_F_MARK_MANGLED_0 && !*field)
		*field = 0xffff;
	return 0;
}
