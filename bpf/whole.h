/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Is the transport checksum whole? A sender on this machine leaves it to the device, which for a tap and a veth is
 * nobody: the packet says so to the kernel's stack (CHECKSUM_PARTIAL), but a frame can't. If XDP sent it on, its receiver
 * would get a checksum that is none.
 *
 * Such a field holds the pseudo-header's sum; but a tunnel's packet may have its own checksum right, or none (VXLAN), and
 * one that is not yet computed inside. So the whole packet is summed up: what adds up over the bytes there are, has
 * nothing left to compute in it. What has no checksum, or doesn't add up, is left to TC. So is what adds up although its
 * field holds the pseudo-header's sum, as happens once in 65,536 times: were it several datagrams that are still to be
 * cut apart (USO), they would arrive as one.
 */
#pragma once

#include "checksum.h"
#include "packet.h"

#define STRIDE 32 /* bytes summed up at a time */
#define WHOLE_MAX 2048 /* bytes; longer frames are left to TC, and the verifier wants an end */

static __always_inline __u64 sum_stride(const __u64 *word)
{
	__u64 sum = 0;

	for (int i = 0; i < STRIDE / 8; i++)
		sum += (__u32)word[i] + (word[i] >> 32);
	return sum;
}

static __always_inline __u16 fold_whole(__u64 sum)
{
	sum = (__u32)sum + (sum >> 32);
	return csum_fold((__u32)sum + (sum >> 32));
}

/*
 * Adds the frame from off to its end to the sum, and folds it; negative when that is too long. A function of its own: the
 * verifier follows each step, and so does it for both families at once.
 */
__noinline int sum_rest(context *ctx, __u32 off, __u64 sum)
{
	__u64 rest[STRIDE / 8] = {};
	__u32 left;
	void *p, *end = end_of(ctx);

	if (off > MAX_HEADERS)
		return -1;
	p = data_of(ctx) + off;
	barrier_var(p); /* or it may be computed twice, and only one copy be compared with the end */
	for (int i = 0; i < WHOLE_MAX / STRIDE && p + STRIDE <= end; i++, p += STRIDE, off += STRIDE)
		sum += sum_stride(p);
	left = end - p;
	if (left >= STRIDE)
		return -1;
	barrier_var(left); /* the verifier can't follow the difference of two pointers, but a mask */
	left &= STRIDE - 1;
	if (left && load_bytes(ctx, off, rest, left))
		return -1;
	return fold_whole(sum + sum_stride(rest));
}

/* p is a UDP datagram without options before it; len is what its IP header says follows. */
static __always_inline bool is_whole(context *ctx, const struct packet *p, __be16 len, const bool ipv6)
{
	const __u32 l4 = ETH_HLEN + (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	__u64 sum = (__u64)len + bpf_htons(p->proto) + p->src.word[0] + p->dst.word[0];
	__be16 *check = data_of(ctx) + l4 + __builtin_offsetof(struct udphdr, check);
	__u16 has;

	if ((void *)(check + 1) > end_of(ctx) || !*check)
		return false;
	has = *check;
	if (ipv6)
		for (int i = 1; i < 4; i++)
			sum += (__u64)p->src.word[i] + p->dst.word[i];
	return fold_whole(sum) != has && sum_rest(ctx, l4, sum) == 0xffff;
}
