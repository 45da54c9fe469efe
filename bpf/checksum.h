/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Ones'-complement sums (RFC 1071). Addends are words as they lie in memory: the order of bytes doesn't matter. */
#pragma once

#include "types.h"

static __always_inline __u16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}
